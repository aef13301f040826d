"""The whole program: a session, a tensor, the answer. The package next to this file does the rest, with its self-test."""

import json
from pathlib import Path

import numpy as np
import onnxruntime

FOLDER = Path(__file__).resolve().parent
METADATA = json.loads((FOLDER / "metadata.json").read_text(encoding="utf-8"))
GOLDEN = json.loads((FOLDER / "golden" / "golden.json").read_text(encoding="utf-8"))

session = onnxruntime.InferenceSession(str(FOLDER / METADATA["bundle"]["model"]), providers=["CPUExecutionProvider"])
# float32 in the range of metadata.json; here the first golden input, in your program an image or features.
inputs = np.fromfile(FOLDER / "golden" / "inputs.bin", "<f4").reshape(GOLDEN["inputs"]["shape"])
(output,) = session.run(None, {session.get_inputs()[0].name: inputs[:1]})
print(METADATA["classes"][int(output[0].argmax())], output[0].max())
