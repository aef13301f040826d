"""python -m edgekit.training ROLE FOLDER FINGERPRINT: one training stage in a separate process (see process.py)."""

import sys
from pathlib import Path
from typing import cast

import numpy as np

from edgekit import data, recipe
from edgekit.errors import EdgekitError, TrainingError
from edgekit.training.jobs import Job, Role
from edgekit.training.process import Lines
from edgekit.training.stage import train


def main(role: Role, folder: Path, fingerprint: str) -> int:
    """Train as the parent process requested, in its folder. Returns the exit status."""
    try:
        loaded = recipe.load(folder / "recipe.yaml")
        dataset = data.load_section(loaded.data, loaded.seed)
        if dataset.fingerprint != fingerprint:
            raise TrainingError(f"The data of {loaded.data.spec} changed while the build ran; start it again.")
        with np.load(folder / "job.npz", allow_pickle=False) as file:
            job = Job(**{name: file[name] if file[name].ndim else file[name].item() for name in file.files})
        train(role, loaded, dataset, job, folder, Lines())
    except EdgekitError as error:
        Lines().failed(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(cast(Role, sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
