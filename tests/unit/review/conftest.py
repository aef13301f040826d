"""A curated run of 90 small pictures in 3 classes, made without any training, and its review."""

import contextlib
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from edgekit.cli.app import app
from edgekit.review import decisions, pictures, samples, server
from edgekit.review.session import ReviewSession


def edgekit(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="session")
def pictures_npz(tmp_path_factory):
    """90 + 9 images of 8 x 8; each training image has its number as the value of all its pixels."""
    y = np.tile([0, 1, 2], 30)
    x = np.broadcast_to(np.arange(90, dtype=np.uint8)[:, None, None, None], (90, 8, 8, 1)).copy()
    path = tmp_path_factory.mktemp("pictures") / "pictures.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:9], y_test=y[:9], classes=np.array(["ant", "bee", "<cat>"]))
    return path


@pytest.fixture(scope="session")
def curated(tmp_path_factory, pictures_npz):
    folder = tmp_path_factory.mktemp("curated") / "run"
    edgekit("curate", "--data", pictures_npz, "--curate", "random", "--budget", 10, "--out", folder)
    return folder


@pytest.fixture
def run(tmp_path, curated):
    """A run folder of one's own, whose curation dropped 10 samples at random."""
    return shutil.copytree(curated, tmp_path / "run")


@contextlib.contextmanager
def reviewing(run):
    """The server of a review of `run`, as the command starts it."""
    found = samples.read(run)
    with (
        decisions.opened(run) as kept,
        server.serving(ReviewSession(run.name, found, pictures.load(run, found), kept)) as served,
    ):
        yield served


@pytest.fixture
def served(run):
    with reviewing(run) as server:
        yield server
