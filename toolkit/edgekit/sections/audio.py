"""How audio files become samples: the rate, the length, and the front end."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgekit.sections.base import Section
from edgekit.types import AudioOptions

Seconds = Annotated[float, Field(gt=0, le=3600)]


class AudioSection(Section):
    """How audio files become (T, F, 1) samples; read for data sets of audio files only.

    sample_rate: Hz that all clips are converted to; None = that of most training files. clip_s: the length of a sample; None =
    the 95th percentile of the training clips'. long: longer clips lose both ends (crop), or are cut into samples of clip_s
    whose probabilities are averaged (segment). segment_hop_s: from one segment to the next; None = clip_s. front_end: log-mel
    powers, or MFCC. n_mfcc: how many of its first coefficients MFCC keeps. window_ms, hop_ms: of the frames. fft_length: None =
    the next power of two that gives every band a bin. n_mels: bands from f_min to f_max. f_min, f_max: Hz; None = half the
    rate. level: powers as recorded (kept), or relative to the sample's loudest band and frame. floor, top: the powers that become
    0 and 1; a sine of full scale has 1, and so has the loudest.
    """

    sample_rate: int | None = Field(None, ge=1000, le=768_000)
    clip_s: Seconds | None = None
    long: Literal["crop", "segment"] = "crop"
    segment_hop_s: Seconds | None = None
    front_end: Literal["logmel", "mfcc"] = "logmel"
    window_ms: float = Field(25.0, gt=0, le=1000)
    hop_ms: float = Field(10.0, gt=0, le=1000)
    fft_length: int | None = Field(None, ge=2, le=65_536)
    n_mels: int = Field(40, ge=2, le=512)
    f_min: float = Field(20.0, ge=0)
    f_max: float | None = Field(None, gt=0)
    n_mfcc: int = Field(13, ge=2, le=512)
    level: Literal["kept", "loudest"] = "kept"
    floor: float = Field(1e-9, gt=0)
    top: float = Field(1.0, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> AudioSection:
        if self.segment_hop_s is not None and self.long != "segment":
            raise ValueError("segment_hop_s is read only with long segment; leave it out")
        if self.segment_hop_s is not None and self.clip_s is not None and self.segment_hop_s > self.clip_s:
            raise ValueError(
                f"segment_hop_s {self.segment_hop_s:g} is more than clip_s {self.clip_s:g}: what lies between would not be heard"
            )
        if self.front_end != "mfcc" and self.n_mfcc != AudioSection.model_fields["n_mfcc"].default:
            raise ValueError("n_mfcc is read only with front_end mfcc; leave it out")
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
