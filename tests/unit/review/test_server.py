"""The review over real HTTP: what it answers, and everything that it refuses."""

import http.client
import io
import json

import numpy as np
import pytest
from PIL import Image
from tests.unit.review.conftest import edgekit, reviewing

from edgekit.curation import by_hand
from edgekit.errors import IntegrityError, OutputInUse, UsageError
from edgekit.review import decisions, pictures, samples, server
from edgekit.review.session import ReviewSession


class Client:
    """Requests as a browser on our page would send them, but for what a test changes. Paths are below the token."""

    def __init__(self, served):
        self.served = served
        self.host = f"127.0.0.1:{served.server_port}"

    def send(self, method, path, body=None, *, root=None, headers=()):
        connection = http.client.HTTPConnection(self.host, timeout=20)
        given = {"Host": self.host}
        if method == "POST":
            given |= {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        given |= dict(headers)
        connection.putrequest(method, (f"/{self.served.token}/" if root is None else root) + path, skip_host=True)
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if content is not None and "Content-Length" not in given:
            given["Content-Length"] = str(len(content))
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(content)
        answer = connection.getresponse()
        found = answer.status, answer.read(), dict(answer.headers)
        connection.close()
        return found

    def status(self, *arguments, **options):
        return self.send(*arguments, **options)[0]

    def json(self, *arguments, **options):
        status, content, _ = self.send(*arguments, **options)
        assert status == 200, content
        return json.loads(content)


@pytest.fixture
def client(served):
    return Client(served)


def test_the_page_and_its_files_forbid_everything_from_elsewhere(client):
    status, content, headers = client.send("GET", "")
    assert status == 200
    assert f"{len(client.served.session.samples)} training images" in content.decode()
    assert "&lt;cat&gt;" in content.decode() and "<cat>" not in content.decode()
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert client.send("GET", "review.js")[2]["Content-Type"].startswith("text/javascript")
    assert client.send("GET", "review.css")[2]["Content-Type"].startswith("text/css")


@pytest.mark.parametrize("root", ["/wrong/", "/", "//", "/%2e%2e/", "/../"])
def test_a_wrong_token_is_403(client, root):
    for path in ("", "samples", "picture?id=train/0"):
        assert client.status("GET", path, root=root) == 403
    assert client.status("POST", "decide", {"id": "train/0", "action": "drop"}, root=root) == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "", None])
def test_a_foreign_host_is_403(client, host):
    assert client.status("GET", "samples", headers={"Host": host}) == 403


def test_localhost_is_this_machine_too(client, served):
    host = f"localhost:{served.server_port}"
    assert client.status("GET", "samples", headers={"Host": host, "Origin": f"http://{host}"}) == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", None])
def test_a_foreign_origin_is_403_and_decides_nothing(client, served, origin):
    assert client.status("POST", "decide", {"id": "train/0", "action": "drop"}, headers={"Origin": origin}) == 403
    assert len(served.session.decisions) == 0
    if origin:
        assert client.status("GET", "samples", headers={"Origin": origin}) == 403


@pytest.mark.parametrize(
    "path",
    ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "review.html.j2", "nothing", "samples/", "templates/review.js",
     "picture?id=../../etc/passwd", "sound?id=/etc/passwd", "picture", "sound?id=train/0"],
)  # fmt: skip
def test_nothing_is_found_by_a_path(client, path):
    assert client.status("GET", path) == 404


def test_other_ways_to_ask_are_refused(client):
    assert client.status("GET", "", root=f"/{client.served.token}") == 404, "no redirect that would tell the token"
    assert client.status("GET", "decide") == 404
    assert client.status("POST", "samples", {}) == 404
    assert client.status("PUT", "decide", {}) == 501
    assert client.status("DELETE", "") == 501


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x" * 5000, {}, 413),
        (b"", {"Content-Length": "999999999999999999"}, 413),
        (b"", {"Content-Length": "-1"}, 411),
        (b"", {"Content-Length": None}, 411),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{not json", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 4000, {}, 400),
        (b"[1]", {}, 400),
        ({"id": "train/0", "action": "explode"}, {}, 400),
        ({"id": "train/0", "action": "relabel"}, {}, 400),
        ({"id": "train/0", "action": "relabel", "new": 3}, {}, 400),
        ({"id": "train/0", "action": "relabel", "new": True}, {}, 400),
        ({"id": "train/0", "action": "relabel", "new": 1.5}, {}, 400),
        ({"id": "train/0", "action": "drop", "new": 1}, {}, 400),
        ({"id": "test/0", "action": "drop"}, {}, 404),
        ({"id": 7, "action": "drop"}, {}, 404),
        ({"action": "drop"}, {}, 404),
    ],
)
def test_a_decision_that_is_none_is_refused_and_nothing_is_written(client, served, body, headers, status):
    known = str(served.session.samples.ids[0])
    if isinstance(body, dict) and body.get("id") == "train/0":
        body = body | {"id": known}
    assert client.status("POST", "decide", body, headers=headers) == status
    assert not served.session.decisions.path.exists()


@pytest.mark.parametrize(
    "query", ["class=9", "class=-1", "class=a", "offset=1e3", "decided=maybe", "offset=99999999999"]
)
def test_a_filter_that_is_none_is_400(client, query):
    assert client.status("GET", f"samples?{query}") == 400


def test_samples_come_worst_first_in_pages_and_filtered(client, served, run):
    found = samples.read(run)
    first = client.json("GET", "samples")
    rest = client.json("GET", "samples?offset=60")
    rows = first["rows"] + rest["rows"]
    assert first["total"] == len(rows) == len(found)
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores)
    assert {row["id"] for row in rows} == set(found.ids.tolist())
    of_bee = client.json("GET", "samples?class=1")
    assert {row["label"] for row in of_bee["rows"]} == {1}
    assert list(found.reasons) == ["untouched", "drop: low random score"]
    dropped = client.json("GET", "samples?reason=drop%3A+low+random+score")
    assert dropped["total"] == 10 and {row["action"] for row in dropped["rows"]} == {"drop"}
    assert sum(found.reasons.values()) == len(found)


def test_a_picture_is_that_of_its_sample(client, served, pictures_npz):
    with np.load(pictures_npz) as file:
        stored = file["x_train"][:, 0, 0, 0]
    for name in served.session.samples.ids[:5]:
        status, content, headers = client.send("GET", f"picture?id={name}")
        assert (status, headers["Content-Type"]) == (200, "image/png")
        picture = np.asarray(Image.open(io.BytesIO(content)))
        assert picture.shape == (8, 8)
        assert (picture == stored[int(str(name).split("/")[1])]).all()


def test_each_decision_is_on_disk_at_once_and_the_last_on_a_sample_counts(client, served):
    a, b = (str(name) for name in served.session.samples.ids[:2])
    path = served.session.decisions.path

    def lines():
        return [json.loads(line) for line in path.read_text().splitlines()]

    found = client.json("POST", "decide", {"id": a, "action": "drop"})
    assert found["count"] == 1 and found["sample"]["decision"] == {"action": "drop", "new": None}
    assert lines() == [{"id": a, "action": "drop"}]
    client.json("POST", "decide", {"id": b, "action": "keep"})
    client.json("POST", "decide", {"id": a, "action": "relabel", "new": 2})
    assert lines() == [{"id": a, "action": "relabel", "new": 2}, {"id": b, "action": "keep"}]
    assert [wish.id for wish in by_hand.read(path)] == [a, b]
    undecided = client.json("GET", "samples?decided=no")
    assert undecided["total"] == len(served.session.samples) - 2
    assert {row["id"] for row in client.json("GET", "samples?decided=yes")["rows"]} == {a, b}

    assert client.json("POST", "undo", {})["sample"]["decision"] == {"action": "drop", "new": None}
    assert client.json("POST", "undo", {})["sample"]["id"] == b
    assert client.json("POST", "undo", {})["count"] == 0
    assert lines() == []
    assert client.status("POST", "undo", {}) == 409


def test_an_earlier_sitting_is_loaded_and_goes_on(run):
    with reviewing(run) as served:
        names = [str(name) for name in served.session.samples.ids[:3]]
        Client(served).json("POST", "decide", {"id": names[0], "action": "drop"})
        Client(served).json("POST", "decide", {"id": names[1], "action": "relabel", "new": 0})
    with reviewing(run) as served:
        assert len(served.session.decisions) == 2
        client = Client(served)
        assert client.status("POST", "undo", {}) == 409, "undo is of this session"
        client.json("POST", "decide", {"id": names[2], "action": "keep"})
        path = served.session.decisions.path
    assert path == run / "curation/edits.jsonl"
    assert [(wish.id, wish.action) for wish in by_hand.read(path)] == list(
        zip(names, ("drop", "relabel", "keep"), strict=True)
    )


def test_curate_applies_the_file_and_a_review_of_that_run_goes_on_beside_its_record(run, pictures_npz, tmp_path):
    with reviewing(run) as served:
        found = served.session.samples
        rows = {
            action: [row.id for row in map(found.row, range(len(found))) if row.action == action]
            for action in ("keep", "drop")
        }
        kept, (dropped, moved) = rows["drop"][0], rows["keep"][:2]
        new = (int(found.labels[found.find(moved)]) + 1) % 3
        client = Client(served)
        client.json("POST", "decide", {"id": kept, "action": "keep"})
        client.json("POST", "decide", {"id": dropped, "action": "drop"})
        client.json("POST", "decide", {"id": moved, "action": "relabel", "new": new})
        edits = served.session.decisions.path
    again = tmp_path / "again"
    edgekit("curate", "--recipe", run / "recipe.yaml", "--apply", edits, "--out", again)
    rows = {row["id"]: row for row in map(json.loads, (again / "curation/selection.jsonl").read_text().splitlines())}
    assert kept not in rows
    assert (rows[dropped]["action"], rows[dropped]["reason"]) == ("drop", "by hand")
    assert (rows[moved]["action"], rows[moved]["new"]) == ("relabel", new)

    record = (again / "curation/edits.jsonl").read_bytes()
    with reviewing(again) as served:
        assert len(served.session.decisions) == 3, "the edits that the run was made with"
        Client(served).json("POST", "decide", {"id": kept, "action": "drop"})
        assert served.session.decisions.path.name == "edits-reviewed.jsonl"
    assert (again / "curation/edits.jsonl").read_bytes() == record, "what the manifest recorded stays"
    with reviewing(again) as served:
        assert served.session.decisions.get(kept).action == "drop"


def test_one_review_at_a_time(run):
    with reviewing(run), pytest.raises(OutputInUse, match="Another review"), decisions.opened(run):
        pass


def test_a_disk_that_cannot_be_written_to_is_told_and_the_decision_is_not_taken(client, served):
    name = str(served.session.samples.ids[0])
    path = served.session.decisions.path
    path.mkdir()  # a folder in the place of the file: replacing it fails for root too
    try:
        status, content, _ = client.send("POST", "decide", {"id": name, "action": "drop"})
    finally:
        path.rmdir()
    assert status == 500 and b"edits.jsonl" in content
    assert len(served.session.decisions) == 0


def test_what_cannot_be_reviewed_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match="contains no curation"):
        samples.read(tmp_path)
    (run / "curation/summary.json").write_text("{")
    with pytest.raises(IntegrityError, match="damaged"):
        samples.read(run)


def test_other_data_than_was_curated_is_refused(run):
    found = samples.read(run)
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"dataset_fingerprint": "0" * 64}))
    with pytest.raises(IntegrityError, match="changed since"):
        pictures.load(run, found)


def test_a_port_that_is_taken_is_a_usage_error(served):
    with pytest.raises(UsageError, match="choose another --port"), server.serving(served.session, served.server_port):
        pass


def test_kinds_of_reasons_leave_out_what_is_particular():
    assert samples.kind_of("relabel", "low margin score; p = 0.93") == "relabel: low margin score"
    assert samples.kind_of("drop", "near copy of 'train/7'") == "drop: near copy of"
    assert samples.kind_of("drop", "by hand") == "drop: by hand"
    assert samples.kind_of("weight", "") == "weight"


def test_nan_scores_stand_last_and_are_null(run, served):
    found = samples.Samples(
        "m", ("a", "b"), np.array(["x", "y", "z"]), np.array([0, 1, 0]), np.array([np.nan, 0.5, -1], np.float32), {}
    )
    assert found.order.tolist() == [2, 1, 0]
    session = ReviewSession("n", found, served.session.pictures, served.session.decisions)
    with server.serving(session) as other:
        assert [row["score"] for row in Client(other).json("GET", "samples")["rows"]] == [-1.0, 0.5, None]


def test_a_clip_has_its_spectrogram_and_its_sound_and_nothing_else_is_played(tmp_path):
    from tests.unit.data.audio import sounds

    root, run = sounds.classes(tmp_path / "clips"), tmp_path / "run"
    (root / "secret.wav").write_bytes(b"not of the data set")
    edgekit("curate", "--data", root, "--out", run)
    with reviewing(run) as served:
        client = Client(served)
        assert b"Play" in client.send("GET", "")[1]
        row = client.json("GET", "samples")["rows"][0]
        assert row["sound"] is True
        status, content, headers = client.send("GET", f"sound?id={row['id']}")
        assert (status, headers["Content-Type"]) == (200, "audio/wav")
        assert content == (root / row["id"]).read_bytes()
        picture = Image.open(io.BytesIO(client.send("GET", f"picture?id={row['id']}")[1]))
        assert picture.size[1] == 40, "a row for each band, so that time runs to the right"
        kinds = {}
        for row in client.json("GET", "samples")["rows"]:
            content = client.send("GET", f"picture?id={row['id']}")[1]
            kinds[row["id"].split("/")[0]] = np.asarray(Image.open(io.BytesIO(content)))
        assert np.argmax(kinds["low"].mean(axis=1)) > np.argmax(kinds["high"].mean(axis=1)), "low tones are below"
        row = client.json("GET", "samples")["rows"][0]
        for path in ("secret.wav", "../clips/secret.wav", "low/../secret.wav"):
            assert client.status("GET", f"sound?id={path}") == 404
        (root / row["id"]).unlink()
        assert client.status("GET", f"sound?id={row['id']}") == 404
        assert client.json("GET", "samples")["rows"][0]["sound"] is False
