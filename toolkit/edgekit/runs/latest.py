"""runs/latest: a link to the run that ended last under runs/."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

NAME = "latest"


def point_to(run: Path) -> Path | None:
    """Make runs/latest a relative link to `run`, in one step; returns the link, or None if there is nothing to do.

    That is: the run is not directly under runs/ of the current folder, something other than a link has that name, or the file
    system does not support links.
    """
    run = run.resolve()
    runs = Path("runs").resolve()
    link = runs / NAME
    if run.parent != runs or run == link or (link.exists() and not link.is_symlink()):
        return None
    # A link cannot be renamed onto a folder, so a folder created there meanwhile is safe too.
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=runs, prefix=".edgekit-latest-") as private:
        new_link = Path(private) / NAME
        new_link.symlink_to(run.name)
        new_link.replace(link)
        return link
    return None
