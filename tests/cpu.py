"""What the tests' own CPU does otherwise."""

import platform
from pathlib import Path

_INFO = Path("/proc/cpuinfo")
# ONNX Runtime adds pairs of int8 products in 16 bits on x86 without VNNI, where they saturate: an int8 ONNX file may then give
# other answers, and a build leaves it out and says so.
EXACT_INT8 = platform.machine() != "x86_64" or any(
    flag in _INFO.read_text() for flag in ("avx512_vnni", "avx_vnni", "amx_int8")
)
