"""Files on a target that need not be sent again: those of a workspace's folder, and those of a cache, by their SHA-256.

A digest is computed on the target before each use. Linked files must never be written to: the cache would change with them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from edgekit.bench.command import Completed

CACHED_BYTES = 1 << 20
# A cache is no reason to fill a phone: so many files, so much in all, and nothing where less than that is free.
_FILES, _KB = 20, 200 << 10
# Of one script: it is one argument, which has a limit everywhere.
_PART = 50
# NAME DIGEST. Old content makes way: written to, it could be a link into the cache that changes with it.
_FUNCTIONS = """
same() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -c1-64)" = "$2" ]; }
have() { same "$1" "$2" || { rm -f "$1"; false; }; }
take() {
  if same "$c/$2" "$2"; then touch "$c/$2"; ln "$c/$2" "$1" 2>/dev/null || { cp "$c/$2" "$1" && same "$1" "$2"; }
  else rm -f "$c/$2"; false; fi
}
"""
# After $c, and $most files, $kb in all. The oldest go first.
_TIDY = """
n=0 sum=0
ls -t "$c" | while read -r f; do
  size=$(du -k "$c/$f" | cut -f1) n=$((n + 1))
  sum=$((sum + ${size:-0}))
  [ $n -le $most ] && [ $sum -le $kb ] || rm -f "$c/$f"
done || :
"""


class Cache:
    """A folder on a target. shell: runs a script in the workspace's folder, and raises TargetError where it fails."""

    def __init__(self, folder: str, shell: Callable[[str], Completed]) -> None:
        self._folder, self._shell = shlex.quote(folder), shell

    def takes(self, path: Path) -> bool:
        """Whether a local file is of a size to keep: small ones are sent as quickly."""
        return CACHED_BYTES <= path.stat().st_size <= _KB << 10

    def there(self, digests: Mapping[str, str], kept: Collection[str]) -> set[str]:
        """The names that have their content in the workspace's folder, from earlier or, if they are `kept`, now from the cache.

        Other content of these names is removed. What is damaged in the cache is removed too.
        """
        found: set[str] = set()
        for part in parts(digests):
            lines = [f"c={self._folder}", _FUNCTIONS]
            for name, digest in part.items():
                take = f" || take {name} {digest}" if name in kept else ""
                lines.append(f"{{ have {name} {digest}{take}; }} && echo {name} || :")
            found |= set(self._shell("\n".join(lines)).stdout.decode(errors="replace").split())
        return found

    def keep(self, digests: Mapping[str, str]) -> None:
        """Bring files of the workspace's folder into the cache, where there is room."""
        for part in parts(digests):
            lines = [f"c={self._folder} most={_FILES} kb={_KB}", 'mkdir -p "$c"']
            # The last line's fourth word is what is available.
            lines.append('set -- $(df -kP "$c" 2>/dev/null | tail -n 1)\nif [ "${4:-0}" -ge $kb ] 2>/dev/null; then :')
            lines += [
                f'{{ ln {n} "$c/{d}" || cp {n} "$c/{d}" || rm -f "$c/{d}"; }} 2>/dev/null' for n, d in part.items()
            ]
            self._shell("\n".join([*lines, "fi", _TIDY]))


def parts(digests: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A few of them at a time."""
    items = list(digests.items())
    for start in range(0, len(items), _PART):
        yield dict(items[start : start + _PART])
