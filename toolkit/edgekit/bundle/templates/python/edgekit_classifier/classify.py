"""The command line: files or a camera in, one line of text or JSON out for each."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from . import camera, images, selftest, sounds
from .errors import Refused
from .model import Answer, Classifier


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns the exit status: 0, 1 (the self-test failed) or 2 (wrong input, missing package)."""
    # systemd stops a service with SIGTERM; an ordinary end closes the camera.
    signal.signal(signal.SIGTERM, _end)
    given = _parser().parse_args(arguments)
    try:
        classifier = Classifier(threads=given.threads)
        if given.self_test:
            good, lines = selftest.run(classifier, strict=given.strict)
            print("\n".join(lines), flush=True)
            print("self-test passed" if good else "self-test FAILED", flush=True)
            return 0 if good else 1
        if given.camera is not None:
            _watch(classifier, given)
        else:
            for path in _files(given.inputs, classifier):
                _print(str(path), classifier.answer(classifier.read(path)), given)
    except Refused as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _watch(classifier: Classifier, given: argparse.Namespace) -> None:
    if classifier.metadata["preprocessing"]["kind"] != "image":
        raise Refused("--camera works only with image models; this one expects clips.")
    frames = itertools.islice(camera.frames(given.camera), given.count)
    for number, frame in enumerate(frames, 1):
        start = time.monotonic()
        _print(f"frame {number}", classifier.answer(classifier.pixels(frame)), given)
        if number != given.count:
            time.sleep(max(0.0, given.interval_s - (time.monotonic() - start)))


def _print(name: str, answer: Answer, given: argparse.Namespace) -> None:
    top = answer.top[: given.top]
    if given.json:
        labels = [{"label": label, "probability": round(p, 6)} for label, p in top]
        line = json.dumps(
            {"input": name, "top": labels, "accepted": answer.accepted, "calibrated": answer.calibrated},
            ensure_ascii=False,
        )
    else:
        remark = "\tbelow the operating threshold" if answer.accepted is False else ""
        line = "\t".join([name, *(f"{label}\t{p:.4f}" for label, p in top)]) + remark
    print(line, flush=True)


def _files(inputs: list[Path], classifier: Classifier) -> list[Path]:
    if not inputs:
        raise Refused("name files or folders, or pass --camera or --self-test.")
    suffixes = images.SUFFIXES if classifier.metadata["preprocessing"]["kind"] == "image" else sounds.SUFFIXES
    files = []
    for path in inputs:
        if path.is_dir():
            files += sorted(each for each in path.rglob("*") if each.suffix.lower() in suffixes)
        elif path.is_file():
            files.append(path)
        else:
            raise Refused(f"{path} does not exist.")
    if not files:
        raise Refused(f"no file to label; expected {', '.join(suffixes)}.")
    return files


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgekit_classifier", description="Label files or the images of a camera.")
    parser.add_argument("inputs", nargs="*", type=Path, help="files or folders")
    parser.add_argument("--camera", nargs="?", const="pi", help="the camera module, or a device such as /dev/video0")
    parser.add_argument("--interval-s", type=float, default=1.0, help="seconds from frame to frame; default 1")
    parser.add_argument("--count", type=int, help="frames to label; default: unlimited")
    parser.add_argument("--top", type=int, default=1, help="labels to show; default 1")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime; default 1")
    parser.add_argument(
        "--self-test", action="store_true", help="compare with the golden vectors; exit status 1 if they differ"
    )
    parser.add_argument(
        "--strict", action="store_true", help="with --self-test: require equality bit for bit on any processor"
    )
    return parser
