"""The Kotlin files compile, and resize pictures bit for bit as the Python package does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from tests.unit.bundle import kotlin

import edgekit.bundle

TEMPLATES = Path(edgekit.bundle.__path__[0]) / "templates"
STUBS = Path(__file__).parent / "android_stubs"


def test_kotlin_compiles_and_resizes_as_the_python_package_does(tmp_path):
    """Against the signatures of Android's classes; Preprocessing.kt uses none of them, so it runs on this machine."""
    kotlin.needed()
    x = np.random.default_rng(0).integers(0, 256, (97, 61, 3), dtype=np.uint8)
    (tmp_path / "x.bin").write_bytes(x.tobytes())
    (tmp_path / "Main.kt").write_text(
        "import edgekit.classifier.Preprocessing\nimport java.io.File\nfun main(args: Array<String>) {\n"
        "    val x = File(args[0]).readBytes()\n"
        "    File(args[1]).writeBytes(Preprocessing.resize(x, 97, 61, 3, 28, 28, false))\n"
        "    File(args[2]).writeBytes(Preprocessing.resize(x, 97, 61, 3, 28, 28, true))\n}\n"
    )
    sources = [*(TEMPLATES / "android").rglob("*.kt"), *STUBS.glob("*.kt"), tmp_path / "Main.kt"]
    classes, outs = tmp_path / "classes", [tmp_path / "rows.bin", tmp_path / "columns.bin"]
    kotlin.compiled(sources, classes)
    kotlin.run(classes, "MainKt", tmp_path / "x.bin", *outs)
    found = [out.read_bytes() for out in outs]
    assert found[0] != found[1]
    for content, tall_first in zip(found, ("False", "True"), strict=True):
        code = (
            "import sys, numpy as np; from edgekit_classifier.images import resized;"
            "x = np.fromfile(sys.argv[1], 'u1').reshape(97, 61, 3);"
            f"sys.stdout.buffer.write(resized(x, (28, 28), {tall_first}).tobytes())"
        )
        command = [sys.executable, "-B", "-c", code, str(tmp_path / "x.bin")]
        assert subprocess.run(command, cwd=TEMPLATES / "python", capture_output=True, check=True).stdout == content
