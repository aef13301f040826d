"""edgekit doctor, as a process on installations and machines with something wrong: what it finds, and the fix it names."""

import json
import os
import subprocess
import sys

import pytest

from edgekit.diagnosis import check, machine


def doctor(tmp_path, *packages, code=0, **environment):
    """Run it; packages: (name, version, metadata lines) that stand before the installed ones."""
    site = tmp_path / "site"
    for name, version, *lines in packages:
        folder = site / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        text = "\n".join([f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *lines])
        (folder / "METADATA").write_text(text + "\n")
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    env = os.environ | {"PYTHONPATH": path, "XDG_CONFIG_HOME": str(tmp_path / "config")} | environment
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", "doctor", "--json"], capture_output=True, text=True, env=env, timeout=120
    )
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is (code == 0)
    return {each["name"]: each for each in found["checks"]}


def test_versions_that_clash_are_named_with_who_asks_and_the_install_that_mends_them(tmp_path):
    found = doctor(
        tmp_path,
        ("protobuf", "3.20.3"),
        ("numpy", "1.23.5"),
        ("tf_keras", "2.15.0", "Requires-Dist: tensorflow<2.16,>=2.15"),
        code=3,
    )
    assert found["numpy"]["state"] == found["protobuf"]["state"] == "problem"
    assert found["numpy"]["told"].startswith("1.23.5 conflicts: edgekit ")
    assert " needs numpy>=1.26" in found["numpy"]["told"]
    assert "tensorflow 2.21" in found["protobuf"]["told"]
    for name in ("numpy", "protobuf"):
        assert found[name]["fix"].startswith(f"{sys.executable} -m pip install '{name}")
    assert found["tf-keras"]["state"] == "problem" and ">=2.21" in found["tf-keras"]["fix"]
    assert found["tensorflow"]["state"] == "ok", "what asks for another tensorflow is to be replaced itself"


def test_a_missing_package_and_a_wrong_python(tmp_path):
    own = ("edgekit", "9.9", "Requires-Python: >=3.99", "Requires-Dist: no-such-package>=2")
    found = doctor(tmp_path, own, code=3)
    assert found["python"]["state"] == "problem" and ">=3.99" in found["python"]["told"] and found["python"]["fix"]
    assert found["no-such-package"]["told"] == "not installed, but edgekit 9.9 needs it"
    assert "'no-such-package>=2'" in found["no-such-package"]["fix"]


def test_an_extra_that_is_missing_has_its_pip_line_and_is_no_problem(tmp_path):
    own = (
        "edgekit",
        "9.9",
        "Provides-Extra: sound",
        "Provides-Extra: dev",
        'Requires-Dist: no-such-package; extra == "sound"',
    )
    found = doctor(tmp_path, own)
    assert found["[sound]"]["state"] == "absent"
    assert found["[sound]"]["fix"].endswith("-m pip install 'edgekit[sound]'")
    assert "[dev]" not in found


@pytest.mark.parametrize(
    ("variable", "value", "name", "state", "fix"),
    [
        ("TF_USE_LEGACY_KERAS", "0", "keras", "problem", "unset TF_USE_LEGACY_KERAS"),
        ("EDGEKIT_DATA", "/no/such folder", "EDGEKIT_DATA", "warning", "mkdir -p '/no/such folder'"),
    ],
)
def test_variables_that_mislead(tmp_path, variable, value, name, state, fix):
    found = doctor(tmp_path, code=3 if state == "problem" else 0, **{variable: value})
    assert (found[name]["state"], found[name]["fix"]) == (state, fix)


def test_a_gpu_is_named_or_why_it_is_not_used(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    driver = programs / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'NVIDIA Test, 550.1'\n")
    driver.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    found = doctor(tmp_path, PATH=path, CUDA_VISIBLE_DEVICES="-1")["gpu"]
    assert found["state"] == "warning" and found["told"].startswith("NVIDIA Test, 550.1, hidden by")
    assert found["fix"] == "unset CUDA_VISIBLE_DEVICES"
    driver.write_text("#!/bin/sh\necho 'cannot talk to the driver' >&2\nexit 9\n")
    found = doctor(tmp_path, PATH=path)["gpu"]
    assert found["state"] == "warning" and "cannot talk to the driver" in found["told"] and found["fix"]


def test_programs_and_targets_that_cannot_be_used(tmp_path):
    (tmp_path / "config/edgekit").mkdir(parents=True)
    (tmp_path / "config/edgekit/targets.yaml").write_text("pi: {target: nonsense!}\n")
    (tmp_path / "empty").mkdir()
    found = doctor(tmp_path, PATH=str(tmp_path / "empty"))
    assert found["adb"]["state"] == found["ssh"]["state"] == "absent"
    assert "install" in found["adb"]["fix"] and "install" in found["ssh"]["fix"]
    assert found["targets"]["state"] == "warning" and "targets.yaml" in found["targets"]["fix"]


def test_memory_of_a_container_counts(tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text(str(3 * 1024**3))
    (tmp_path / "memory.current").write_text(str(2 * 1024**3))
    found = machine.memory(limit)
    assert found.state == "warning" and found.told.endswith("of 3.0 GB free") and found.fix
    limit.write_text("max")
    assert "of 3.0 GB" not in machine.memory(limit).told


def test_commands_are_quoted():
    assert check.pip("a>=1,<2").endswith("-m pip install 'a>=1,<2'")


def test_for_people_each_fix_stands_under_its_finding(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", "doctor"], capture_output=True, text=True, timeout=120,
        env=os.environ | {"EDGEKIT_DATA": "/no/such"},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    where = next(i for i, line in enumerate(lines) if "EDGEKIT_DATA" in line)
    assert lines[where].split()[0] == "warning" and lines[where + 1].strip() == "fix: mkdir -p /no/such"
    assert "warning" in lines[-1]
