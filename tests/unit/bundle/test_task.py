"""The uint8 form: what the int8 file gives, plus 128, bit for bit."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests.conftest import REPOSITORY

from edgekit.bundle import task
from edgekit.bundle.running import raw
from edgekit.errors import ExportError
from edgekit.inference.standalone import artifact_of

PEERS = REPOSITORY / "tests" / "files" / "mlperf-tiny"
COLOR = PEERS / "pretrainedResnet_quant.tflite"
GRAY = REPOSITORY / "models" / "mnist-xs-int8" / "model_int8.tflite"


@pytest.mark.parametrize("path", [COLOR, GRAY], ids=lambda path: path.parent.name)
def test_it_is_the_int8_file_moved_by_128(path, tmp_path):
    shape = artifact_of(path).inputs[0].shape[1:]
    form = tmp_path / "form.tflite"
    form.write_bytes(task.uint8_form(path.read_bytes()))
    found = artifact_of(form)
    assert (found.inputs[0].dtype, found.outputs[0].dtype) == ("uint8", "uint8")
    assert found.inputs[0].zero_point == artifact_of(path).inputs[0].zero_point + 128
    pixels = np.random.default_rng(0).integers(0, 256, (8, *shape), dtype=np.uint8)
    plain = raw(path, (pixels.astype(np.int16) - 128).astype(np.int8))
    np.testing.assert_array_equal(raw(form, pixels).astype(np.int16), plain.astype(np.int16) + 128)


def test_it_is_made_only_where_a_task_library_can_run_it(tmp_path):
    def refusal(path, input_range):
        return task.refusal(SimpleNamespace(artifact=artifact_of(path), input_range=input_range))

    assert "three channels" in refusal(GRAY, "0-1")
    assert refusal(COLOR, "0-255") is None
    assert "scale" in refusal(COLOR, "signed")
    form = tmp_path / "form.tflite"
    form.write_bytes(task.uint8_form(COLOR.read_bytes()))
    assert "uint8" in refusal(form, "0-255")
    with pytest.raises(ExportError, match="int8 input"):
        task.uint8_form(form.read_bytes())
