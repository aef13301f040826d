"""python -m edgekit.study OUT NAME [--core N]: one run of a study (see worker.py)."""

import sys
from pathlib import Path

from edgekit.study.worker import main

if __name__ == "__main__":
    arguments = sys.argv[1:]
    core = int(arguments[3]) if arguments[2:3] == ["--core"] else None
    sys.exit(main(Path(arguments[0]), arguments[1], core))
