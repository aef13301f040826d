"""python -m edgekit.training ROLE FOLDER FINGERPRINT: one training stage in a process of its own (see stage.py)."""

import sys
from pathlib import Path
from typing import cast

from edgekit.training.stage import Role, worker

if __name__ == "__main__":
    sys.exit(worker(cast(Role, sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
