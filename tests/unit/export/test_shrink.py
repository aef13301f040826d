from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgekit.errors import ExportError
from edgekit.export.flatbuffer import SharingBuilder
from edgekit.export.shrink import shrink, shrunk
from edgekit.inference import litert

REPOSITORY = Path(__file__).parents[3]
ZOO = REPOSITORY / "models" / "fashion-mnist-microresnet-int8" / "model_int8.tflite"
MLPERF = REPOSITORY / "tests" / "files" / "mlperf-tiny"


def parsed(content):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def packed(model):
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def plainly():
    """The zoo's file with what the converter writes, whether the zoo holds it shrunk or not: every tensor named."""
    model = parsed(ZOO.read_bytes())
    for number, tensor in enumerate(model.subgraphs[0].tensors):
        tensor.name = tensor.name or f"an/inner/tensor/of/the/network/number_{number}".encode()
    model.description = b"MLIR Converted."
    return packed(model)


def run(content, x):
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rows = []
    for row in x:
        interpreter.set_tensor(given["index"], row[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(result["index"]))
    return np.concatenate(rows)


def test_a_shrunk_file_gives_the_same_bits_on_a_thousand_images(plainly, shipped, tmp_path):
    small = shrunk(plainly)
    assert small.saved > 0.09
    assert small.bytes_before == len(plainly)
    before, after = tmp_path / "before.tflite", tmp_path / "after.tflite"
    before.write_bytes(plainly)
    after.write_bytes(small.content)
    x = shipped.train.x[:1000]
    assert np.array_equal(litert.run(before, x), litert.run(after, x))
    assert np.array_equal(litert.run(after, x[:64], batch=1), litert.run(before, x[:64]))


@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant"])
def test_mlperf_files_give_the_same_bits(name):
    content = (MLPERF / f"{name}.tflite").read_bytes()
    given = Interpreter(model_content=content).get_input_details()[0]
    rng, shape = np.random.default_rng(0), (64, *given["shape"][1:])
    x = rng.integers(-128, 128, shape).astype(np.int8) if given["dtype"] == np.int8 else rng.random(shape, np.float32)
    small = shrink(content)
    assert len(small) < len(content)
    assert np.array_equal(run(content, x).view(np.uint8), run(small, x).view(np.uint8))


def test_inputs_outputs_signatures_and_operators_stay(plainly):
    before, after = (Interpreter(model_content=content) for content in (plainly, shrink(plainly)))
    for method in ("get_input_details", "get_output_details"):
        one, other = (getattr(each, method)()[0] for each in (before, after))
        assert {k: str(v) for k, v in one.items()} == {k: str(v) for k, v in other.items()}
    assert before.get_signature_list() == after.get_signature_list() != {}
    assert [op["op_name"] for op in before._get_ops_details()] == [op["op_name"] for op in after._get_ops_details()]
    names = [tensor["name"] for tensor in after.get_tensor_details()]
    assert sum(bool(name) for name in names) == 2


def test_data_stay_aligned_and_shrinking_again_changes_nothing(plainly):
    small = shrink(plainly)
    assert shrink(small) == small
    root = schema.Model.GetRootAs(small, 0)
    for number in range(root.BuffersLength()):
        buffer = root.Buffers(number)
        if not buffer.DataIsNone():
            field = buffer._tab.Vector(flatbuffers.number_types.UOffsetTFlags.py_type(buffer._tab.Offset(4)))
            assert field % 16 == 0


def with_metadata(content):
    model = parsed(content)
    for name, data in ((b"TFLITE_METADATA", b"labels and all"), (b"min_runtime_version", b"1.5.0")):
        model.buffers.append(schema.BufferT(data=np.frombuffer(data, np.uint8)))
        model.metadata = [*(model.metadata or []), schema.MetadataT(name=name, buffer=len(model.buffers) - 1)]
    return packed(model)


def test_metadata_of_apps_stay_and_the_converters_notes_go(plainly):
    model = parsed(shrink(with_metadata(plainly)))
    assert [each.name for each in model.metadata] == [b"TFLITE_METADATA"]
    assert bytes(model.buffers[model.metadata[0].buffer].data) == b"labels and all"
    assert model.description is None


def test_equal_constants_become_one_buffer_and_unused_codes_go(plainly):
    model = parsed(plainly)
    twice = next(tensor for tensor in model.subgraphs[0].tensors if model.buffers[tensor.buffer].data is not None)
    model.buffers.append(schema.BufferT(data=model.buffers[twice.buffer].data.copy()))
    model.metadata = [schema.MetadataT(name=b"a copy", buffer=len(model.buffers) - 1)]
    model.operatorCodes.append(schema.OperatorCodeT(builtinCode=schema.BuiltinOperator.TANH))
    found = parsed(shrink(packed(model)))
    contents = [bytes(buffer.data) for buffer in found.buffers if buffer.data is not None]
    assert len(set(contents)) == len(contents)
    assert schema.BuiltinOperator.TANH not in [code.builtinCode for code in found.operatorCodes]


def data_behind(content):
    """The same model with the largest constant behind the flatbuffer, as in files of more than 2 GB."""
    model = parsed(content)
    buffer = max(model.buffers, key=lambda each: 0 if each.data is None else len(each.data))
    data = bytes(buffer.data)
    buffer.data, buffer.offset, buffer.size = None, 2, len(data)
    buffer.offset = -(-len(packed(model)) // 16) * 16
    head = packed(model)
    return head + bytes(buffer.offset - len(head)) + data


def test_data_behind_the_flatbuffer_come_along(plainly, shipped):
    content = data_behind(plainly)
    x = (shipped.val.x[:32].astype(np.int16) - 128).astype(np.int8)
    assert np.array_equal(run(content, x), run(plainly, x))
    assert np.array_equal(run(shrink(content), x), run(plainly, x))
    assert len(shrink(content)) == len(shrink(plainly))


def test_something_else_is_refused():
    with pytest.raises(ExportError, match="no TFL3 identifier"):
        shrink(b"PK\3\4 a zip file")


def test_the_builder_shares_equal_vectors_and_keeps_types_apart():
    builder = SharingBuilder(64)
    one = builder.CreateNumpyVector(np.zeros(3, np.int32))
    assert builder.CreateNumpyVector(np.zeros(3, np.int32)) == one
    assert builder.CreateNumpyVector(np.zeros(3, np.float32)) != one
    assert builder.CreateString("name") == builder.CreateString(b"name")
