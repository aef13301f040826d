"""What is refused before the first run: files that no arm makes, and arms that are tested on different samples."""

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import DataError, RecipeError
from edgekit.study.definition import Study
from edgekit.study.plan import plan, recipe_of
from edgekit.study.prepare import files_of, prepared


@pytest.fixture
def spec(tmp_path):
    """80 images of 2 classes; other.npz has more of them in its test part, and uncut has none."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (80, 8, 8, 1), dtype=np.uint8), np.tile([0, 1], 40)
    for name, test in (("one", slice(0, 20)), ("other", slice(0, 24))):
        np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=y, x_test=x[test], y_test=y[test])
    for i, (image, label) in enumerate(zip(x, y, strict=True)):
        (tmp_path / f"uncut/{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(tmp_path / f"uncut/{label}/{i}.png")
    return lambda name: str(tmp_path / (name if name == "uncut" else f"{name}.npz"))


def study(base, arm, **values):
    base = {"student": {"name": "conv8"}, "data": base}
    return Study.model_validate({"base": base, "arms": {"b": arm}, "seeds": 2, **values})


def test_samples_are_counted_for_each_data_section(spec):
    made = prepared(study({"spec": spec("one")}, {"data": {"limit": 20}}))
    full, less = (recipe_of(made.plan.study, run) for run in made.plan.runs[:2])
    assert (made.samples_of(full), made.samples_of(less)) == (56, 20)


@pytest.mark.parametrize(
    ("base", "arm", "message"),
    [
        ("one", {"spec": "other"}, r"'b' has different test samples \(24, not the same 20\) than 'full'"),
        # Without a test part of its own, the seed of the data cuts it.
        ("uncut", {"seed": 7}, "'b' has different test samples"),
    ],
)
def test_arms_that_would_be_tested_on_other_samples_are_refused(spec, base, arm, message):
    arm = {key: spec(value) if key == "spec" else value for key, value in arm.items()}
    with pytest.raises(DataError, match=message):
        prepared(study({"spec": spec(base)}, {"data": arm}))


def test_a_judged_file_that_an_arm_does_not_make_is_refused(spec):
    base, arm = {"spec": spec("one")}, {"quantization": {"precision": "float16"}}
    with pytest.raises(
        RecipeError, match=r"'full' produces no file 'shiped'.*model_float32\.tflite, model_int8\.tflite"
    ):
        prepared(study(base, arm, artifact=["shiped"]))
    with pytest.raises(RecipeError, match=r"'b' produces no file 'model_int8\.tflite'.*model_float16\.tflite"):
        prepared(study(base, arm, artifact=["model_int8.tflite"]))
    assert prepared(study(base, arm, artifact=["shipped", "model_float32.tflite"])).plan.arms


@pytest.mark.parametrize(
    ("precision", "names"),
    [
        ("float32", ("model_float32.tflite",)),
        ("int8-qat", ("model_float32.tflite", "model_int8.tflite")),
        ("auto", ("model_float32.tflite", "model_int8.tflite")),
        ("int16x8", ("model_float32.tflite", "model_int16x8.tflite")),
    ],
)
def test_the_files_of_a_recipe(precision, names):
    asked = Study.model_validate(
        {"base": {}, "arms": {"a": {"quantization": {"precision": precision}, "max_drop": 1.0}}, "seeds": 1}
    )
    assert files_of(recipe_of(asked, plan(asked).runs[1])) == names
