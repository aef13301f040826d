"""Commands of the pages that no test runs to the end, each with its reason. What is not listed here runs.

PLANNED: `--dry-run` is appended. The data are read, the recipe is resolved and every stage is planned; nothing is trained.
PARSED: the program's own parser reads the command up to its execution: unknown commands, options and values fail.
OUTSIDE: commands of other programs.
"""

from __future__ import annotations

COMPILED = "tests/devices/test_c_runner.py compiles it so"
JAX = "needs JAX; tests/functional/test_command_line.py trains on it"
RAY = "needs a Ray cluster; tests/functional/test_study.py starts one"
ANOTHER_TRAINING = "another training; the stages are those of the builds that run"
ELSEWHERE = "the same build runs on {}, with --out"
DEVICE = "needs a device that answers; tests/devices runs this command on an arm64 machine and an adb daemon"
DOWNLOAD = "needs a data set that is downloaded"
WEIGHTS = (
    "downloads weights; tests/unit/students/pretrained/test_public.py fetches such a file from a server of its own"
)
LADDER = "climbs several quantizations and fine-tunes; tests/functional/test_small.py does it on a small network"
REGISTRY = "installs from a package index"
FOLDS = "one build for each fold; tests/functional/test_small_data.py cross-validates"

PLANNED = {
    "edgekit build --data digits.csv --cv 5": FOLDS,
    "edgekit build --data photos/ --image-size 96": ELSEWHERE.format("docs/howto/images.md"),
    "edgekit build --data recordings/ --student audio_cnn --waveform": ELSEWHERE.format("docs/howto/audio.md"),
    "edgekit build --coverage 0.9": ANOTHER_TRAINING,
    "edgekit build --risk 0.02": ANOTHER_TRAINING,
    "edgekit build --data digits.csv": ANOTHER_TRAINING,
    "edgekit build --data digits.csv --width xs --distill 0.7 --teacher microresnet --set teacher.width=l"
    " --set teacher.augment=affine": ANOTHER_TRAINING,
    "edgekit build --data mydata.npz --curate none --quantize int8": ANOTHER_TRAINING,
    "edgekit build --data list.csv": ANOTHER_TRAINING,
    "edgekit build --data list.csv --set data.leave_out=kitchen": ANOTHER_TRAINING,
    "edgekit build --data list.csv --set data.leave_out=kitchen --out runs/kitchen": ANOTHER_TRAINING,
    "edgekit build --data recordings/": ANOTHER_TRAINING,
    "edgekit build --data recordings/ --waveform": ANOTHER_TRAINING,
    "edgekit build --data recordings/ --set data.audio.sample_rate=8000 --set data.audio.clip_s=0.3"
    " --out runs/fixed": ANOTHER_TRAINING,
    "edgekit build --data photos/ --image-size 96 --student auto --max-size 100KB --quantize auto --max-drop 1": LADDER,
    "edgekit build --data photos/ --image-size 96 --student auto --max-size 100KB --out runs/photos-100kb": ANOTHER_TRAINING,
    "edgekit build --data photos/ --image-size 96 --set data.leave_out=site-2 --out runs/photos-site": ANOTHER_TRAINING,
    "edgekit build --width m --prune-channels 0.5": ANOTHER_TRAINING,
    "edgekit build --gate 'balanced_accuracy>=0.85' --gate 'recall:Ankle boot>=0.9'": ANOTHER_TRAINING,
}

PARSED = {
    "EDGEKIT_DATA=~/data edgekit build --data fashion-mnist": DOWNLOAD,
    "edgekit build --data photos/ --image-size 96 --student mobilenetv2 --weights imagenet --out runs/imagenet": WEIGHTS,
    "edgekit build --data fsdd --student ds_cnn": DOWNLOAD,
    "edgekit export models/mnist-s-int8 --bundle mcu": DOWNLOAD
    + "; tests/functional/test_bundle.py makes that bundle from other data",
    "edgekit compress --model my.keras --data photos/ --image-size 96 --quantize int8-qat": LADDER,
    "edgekit compress --model my.keras --data photos/ --image-size 96 --quantize int8-qat --prune 0.5": LADDER,
    "edgekit compress --model my.keras --data photos/ --image-size 96 --quantize auto --max-drop 1"
    " --out runs/mine-auto": LADDER,
    "edgekit setup-device ssh://pi@raspberrypi.local": DEVICE,
    "edgekit bench runs/NAME/artifacts/model_int8.tflite --data photos/ --image-size 96"
    " --target ssh://pi@raspberrypi.local": DEVICE,
    "edgekit build --data photos/ --image-size 96 --target host --target ssh://pi@raspberrypi.local": DEVICE,
    "edgekit build --target host --target ssh://user@pi --gate 'p50_ms<=2@ssh://user@pi'": DEVICE,
    "edgekit bench my.tflite --target ssh://user@pi --gate 'p50_ms<=2@ssh://user@pi' --junit bench.xml": DEVICE,
    "edgekit bench model_int8.tflite --data photos/ --target ssh://pi@raspberrypi.local --threads 1,4": DEVICE,
    "edgekit bench runs/photos/artifacts/model_int8.tflite --data photos/ --image-size 96 --target ssh://pi@raspberrypi.local"
    " --threads 1,4": DEVICE,
    "edgekit build --data photos/ --image-size 96 --target host --target ssh://pi@raspberrypi.local"
    " --gate 'p50_ms<=5@ssh://pi@raspberrypi.local'": DEVICE,
    "edgekit bench runs/photos/artifacts/model_int8.tflite --data photos/ --image-size 96 --target adb --runner benchmark_model"
    " --affinity big": DEVICE,
    "EDGEKIT_DATA=... edgekit study benchmarks/studies/conv8-20k-sym10.yaml --jobs 2": "takes hours",
    "EDGEKIT_DATA=~/data edgekit study benchmarks/studies/conv8-20k-sym10.yaml --jobs 2": "takes hours",
    "edgekit study study.yaml --jobs 2": "many trainings; tests/functional/test_study.py conducts one",
    "edgekit study study.yaml --jobs 2 --out studies/first": "many trainings; tests/functional/test_study.py conducts one",
    "edgekit study study.yaml --engine ray --address auto --out studies/shared": RAY,
    "edgekit train --backend jax --data photos/ --image-size 96 --out runs/gpu": JAX,
    "edgekit build --resume --out runs/gpu": "goes on from the command before it, which is only parsed",
}

OUTSIDE = {
    "make demo": REGISTRY,
    "make test": "runs the tests; of a bundle: tests/functional/test_bundle.py compiles and runs that self-test",
    "make setup": REGISTRY,
    "make check": "runs the tests",
    "make durations": "runs the tests",
    "make wheel": REGISTRY,
    "make docs": "tests/docs/test_site.py builds the site",
    ".venv/bin/pre-commit install": "changes the checkout",
    "pip install 'edgekit[audio]'": REGISTRY,
    "pip install 'edgekit[ray]'": REGISTRY,
    "pip install -c constraints.txt .": REGISTRY,
    "pip install -r requirements-train-jax.txt": REGISTRY,
    "pip install --no-deps .": REGISTRY,
    "venv/bin/python -m pip install -r requirements.txt": REGISTRY,
    "python3 -m venv .venv": "installed already",
    "python3 -m venv --system-site-packages venv": "installed already",
    ". .venv/bin/activate": "installed already",
    "venv/bin/python -m edgekit_classifier --camera": "needs a camera",
    "EDGEKIT_DATA=... python benchmarks/does_curation_help.py --keep studies": "takes hours",
    "EDGEKIT_DATA=... python benchmarks/fsdd.py --only official --only speakers --keep runs/fsdd": "takes an hour",
    "EDGEKIT_DATA=... python benchmarks/fsdd.py --only noise --only protocol --keep runs/fsdd": "takes an hour",
    "ray start --head": RAY,
    "adb devices": DEVICE,
    "ssh-copy-id pi@raspberrypi.local": DEVICE,
    "scp -r bundles/photos pi@raspberrypi.local:": DEVICE,
    "ssh pi@raspberrypi.local 'cd photos && ~/.local/share/edgekit/venv/bin/python -m edgekit_classifier --self-test'": DEVICE,
    "./gradlew :classifier:connectedAndroidTest": "needs a phone and Gradle",
    "aarch64-linux-gnu-gcc -std=c11 -O2 -o edgekit_runner edgekit_runner.c -ldl -lm": COMPILED,
    "$NDK/toolchains/llvm/prebuilt/linux-x86_64/bin/aarch64-linux-android26-clang -std=c11 -O2 -o edgekit_runner edgekit_runner.c"
    " -ldl -lm": "needs the Android NDK",
}
LISTED = {**PLANNED, **PARSED, **OUTSIDE}
