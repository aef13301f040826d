"""Frames of a camera as (h, w, 3) uint8 arrays of red, green and blue."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from .errors import Refused

_SIZE = (640, 480)


def frames(name: str) -> Iterator[Any]:
    """Endless frames of "pi", the camera module (Picamera2), or of a device such as /dev/video0 (OpenCV)."""
    return _module() if name == "pi" else _device(name)


def _module() -> Iterator[Any]:
    try:
        picamera2 = importlib.import_module("picamera2")
    except ImportError:
        raise Refused("the camera module needs Picamera2: sudo apt install python3-picamera2.") from None
    camera = picamera2.Picamera2()
    # libcamera names formats by the order in a little-endian word: BGR888 is red, green, blue in memory.
    camera.configure(camera.create_video_configuration(main={"format": "BGR888", "size": _SIZE}))
    camera.start()
    try:
        while True:
            yield camera.capture_array("main")
    finally:
        camera.stop()


def _device(name: str) -> Iterator[Any]:
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError:
        raise Refused(f"camera {name} needs OpenCV: sudo apt install python3-opencv.") from None
    camera = cv2.VideoCapture(name, cv2.CAP_V4L2)
    try:
        while True:
            good, frame = camera.read()
            if not good:
                raise Refused(f"camera {name} returns no image.")
            yield frame[..., ::-1]
    finally:
        camera.release()
