"""How audio files become samples: the rate, the length, and the front end."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgekit.recipe.base import Section
from edgekit.types import AudioOptions

Seconds = Annotated[float, Field(gt=0, le=3600)]


class AudioSection(Section):
    """How audio files become samples of shape (T, F, 1). Only used for data sets of audio files."""

    sample_rate: int | None = Field(None, ge=1000, le=768_000)
    """Sample rate in Hz that all clips are converted to. By default the rate of most training files."""
    clip_s: Seconds | None = None
    """Length of a sample in seconds. By default the 95th percentile of the training clips' lengths."""
    long: Literal["crop", "segment"] = "crop"
    """What to do with longer clips: crop both ends, or cut segments of clip_s and average their probabilities."""
    segment_hop_s: Seconds | None = None
    """Seconds from one segment to the next. By default clip_s."""
    front_end: Literal["logmel", "mfcc"] = "logmel"
    """Features: log-mel powers or MFCC."""
    window_ms: float = Field(25.0, gt=0, le=1000)
    """Length of a frame, in milliseconds."""
    hop_ms: float = Field(10.0, gt=0, le=1000)
    """Time from one frame to the next, in milliseconds."""
    fft_length: int | None = Field(None, ge=2, le=65_536)
    """Length of the FFT. By default the next power of two that gives every band a bin."""
    n_mels: int = Field(40, ge=2, le=512)
    """Number of bands from f_min to f_max."""
    f_min: float = Field(20.0, ge=0)
    """Lowest frequency in Hz."""
    f_max: float | None = Field(None, gt=0)
    """Highest frequency in Hz. By default half the sample rate."""
    n_mfcc: int = Field(13, ge=2, le=512)
    """Number of coefficients that MFCC keeps."""
    level: Literal["kept", "loudest"] = "kept"
    """Power as recorded (kept), or relative to the loudest band and frame of the sample (loudest)."""
    floor: float = Field(1e-9, gt=0)
    """Power that becomes 0."""
    top: float = Field(1.0, gt=0)
    """Power that becomes 1. A sine at full scale has power 1, and so has the loudest band and frame."""

    @model_validator(mode="after")
    def _fits(self) -> AudioSection:
        if self.segment_hop_s is not None and self.long != "segment":
            raise ValueError("segment_hop_s is only used with long segment; leave it out")
        if self.segment_hop_s is not None and self.clip_s is not None and self.segment_hop_s > self.clip_s:
            raise ValueError(
                f"segment_hop_s {self.segment_hop_s:g} is more than clip_s {self.clip_s:g}: the audio in between would be skipped"
            )
        if self.front_end != "mfcc" and self.n_mfcc != AudioSection.model_fields["n_mfcc"].default:
            raise ValueError("n_mfcc is only used with front_end mfcc; leave it out")
        if self.front_end == "mfcc" and self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc is {self.n_mfcc}, but n_mels gives only {self.n_mels} bands to take them from")
        if self.floor >= self.top:
            raise ValueError(f"floor is {self.floor:g} and top {self.top:g}; expected floor below top")
        if self.fft_length is not None and self.fft_length % 2:
            raise ValueError(f"fft_length is {self.fft_length}; expected an even number")
        return self

    @property
    def options(self) -> AudioOptions:
        """The same as the value that sources take."""
        return AudioOptions(**{field.name: getattr(self, field.name) for field in fields(AudioOptions)})
