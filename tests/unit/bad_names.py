"""Names that lead out of a folder, the files outside that they lead to, and whether those are still what they were."""

import hashlib
import json

SECRET = b"years of work"
DIGEST = hashlib.sha256(SECRET).hexdigest()
# {up}: the way from the place of the name to the victim's folder; {victim}: that folder; {end}: what the reader adds.
LEADING_OUT = {
    "a folder up": "{up}victim/mine{end}",
    "absolute": "{victim}/mine{end}",
    "in and out": "a/../{up}victim/mine{end}",
    "a folder's link": "out/mine{end}",
    "a file's link": "link{end}",
    "Windows": "C:\\x{end}",
    "NUL": "a\0b{end}",
}
BAD = LEADING_OUT | {
    "a drive": "C:x",
    "empty": "",
    "itself": ".",
    "not plain": "./a//b",
    "too long": "x" * 300,
    "half a pair": "\ud800",
}


def victims(tmp_path, place, end=""):
    """The bad names as a file at `place` below `tmp_path` may hold them, each of a victim's file outside, by link or by path."""
    victim = tmp_path / "victim"
    victim.mkdir(parents=True, exist_ok=True)
    (victim / f"mine{end}").write_bytes(SECRET)
    place.mkdir(parents=True, exist_ok=True)
    (place / "out").symlink_to(victim)
    (place / f"link{end}").symlink_to(victim / f"mine{end}")
    up = "../" * len(place.relative_to(tmp_path).parts)
    return {key: text.format(up=up, victim=victim, end="") for key, text in BAD.items()}


def untouched(tmp_path):
    found = list((tmp_path / "victim").iterdir())
    assert len(found) == 1
    assert found[0].read_bytes() == SECRET


def written(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def change(path, **changed):
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
