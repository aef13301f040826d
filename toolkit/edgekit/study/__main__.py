"""python -m edgekit.study OUT NAME: one run of a study (see worker.py). --serve: runs on demand (see engines/forks.py)."""

import sys
from pathlib import Path

if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        from edgekit.study.engines.forks import serve

        serve()
    else:
        from edgekit.study.worker import main

        sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
