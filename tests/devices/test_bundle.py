"""The bundle for the Pi on the arm64 machine: copied there as a user copies it, its self-test run by the device's Python."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY, SHIPPED

from edgekit.bench.targets import ssh
from edgekit.bench.workspace import workspace
from edgekit.bundle.write import export
from edgekit.recipe import addresses
from edgekit.types import Silent

pytestmark = pytest.mark.device

PRODUCT = REPOSITORY / "models" / "fashion-mnist-s-int8"


def packed(folder: Path) -> bytes:
    """The folder as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, arcname="bundle")
    return buffer.getvalue()


def test_the_self_test_passes_on_arm64_and_counts_what_differs(machine, tmp_path):
    """All golden outputs are bit-identical, or the softmax moves an output by one step."""
    folder, _ = export(PRODUCT, "pi", tmp_path / "bundle", data=str(SHIPPED), reporter=Silent())
    transport = ssh.connect(addresses.parse("ssh://pi"))
    python = ["sh", "-c", 'cd bundle && exec "$@"', "sh", str(transport.python), "-m", "edgekit_classifier"]
    with workspace(transport) as space:
        space.push({"bundle.tar": packed(folder)})
        assert space.run(["tar", "xf", "bundle.tar"], timeout_s=60).status == 0
        done = space.run([*python, "--self-test"], timeout_s=120)
        labeled = space.run([*python, "golden"], timeout_s=120)
    message = done.stdout.decode()
    assert done.status == 0, message + done.stderr.decode()
    assert "20 of 20 files become the recorded input, bit for bit" in message
    assert "20 of 20 labels as expected" in message
    found = re.search(r"(\d+) of 20 outputs bit-identical, (\d+) of 200 numbers differ, at most by (\S+) LSB", message)
    assert found and float(found[3]) <= 1
    assert len(labeled.stdout.splitlines()) == 20
