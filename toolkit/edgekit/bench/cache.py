"""Files on a target that need not be sent again: those in the workspace's folder and in a cache, identified by SHA-256.

A digest is computed on the target before each use. Linked files must never be written to: the cache would change with them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from edgekit.bench.command import Completed

CACHED_BYTES = 1 << 20
# So that the cache does not fill a phone: most files, most KB in all; nothing is cached if less than that is free.
_FILES, _KB = 20, 200 << 10
# Files per script: a script is a single argument, whose length is limited everywhere.
_PART = 50
# Arguments: NAME DIGEST. Old files are removed, not overwritten: they could be links into the cache, which would change too.
_FUNCTIONS = """
same() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -c1-64)" = "$2" ]; }
have() { same "$1" "$2" || { rm -f "$1"; false; }; }
take() {
  if same "$c/$2" "$2"; then touch "$c/$2"; ln "$c/$2" "$1" 2>/dev/null || { cp "$c/$2" "$1" && same "$1" "$2"; }
  else rm -f "$c/$2"; false; fi
}
"""
# Needs $c, the cache folder, and its limits: $most files, $kb KB in all. The oldest files are removed first.
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
        """Whether a local file has a size worth caching: small ones are sent just as quickly."""
        return CACHED_BYTES <= path.stat().st_size <= _KB << 10

    def there(self, digests: Mapping[str, str], kept: Collection[str]) -> set[str]:
        """The names whose content is in the workspace's folder: from earlier or, if they are `kept`, now taken from the cache.

        Files of these names with other content are removed, and so are damaged files in the cache.
        """
        names: set[str] = set()
        for part in parts(digests):
            lines = [f"c={self._folder}", _FUNCTIONS]
            for name, digest in part.items():
                take = f" || take {name} {digest}" if name in kept else ""
                lines.append(f"{{ have {name} {digest}{take}; }} && echo {name} || :")
            names |= set(self._shell("\n".join(lines)).stdout.decode(errors="replace").split())
        return names

    def keep(self, digests: Mapping[str, str]) -> None:
        """Put files of the workspace's folder into the cache, if there is room."""
        for part in parts(digests):
            lines = [f"c={self._folder} most={_FILES} kb={_KB}", 'mkdir -p "$c"']
            # The fourth word of the last line is the space available.
            lines.append('set -- $(df -kP "$c" 2>/dev/null | tail -n 1)\nif [ "${4:-0}" -ge $kb ] 2>/dev/null; then :')
            lines += [
                f'{{ ln {n} "$c/{d}" || cp {n} "$c/{d}" || rm -f "$c/{d}"; }} 2>/dev/null' for n, d in part.items()
            ]
            self._shell("\n".join([*lines, "fi", _TIDY]))


def parts(digests: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The digests in parts small enough for one script."""
    items = list(digests.items())
    for start in range(0, len(items), _PART):
        yield dict(items[start : start + _PART])
