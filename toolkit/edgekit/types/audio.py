"""How audio becomes a 2D input: the front end that computes a model's features, and the recipe's options for it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

Kind = Literal["logmel", "mfcc"]
Long = Literal["crop", "segment"]
Level = Literal["kept", "loudest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOptions:
    """The recipe's options for audio files (recipe.AudioSection); None = derived from the data."""

    sample_rate: int | None = None
    clip_s: float | None = None
    long: Long = "crop"
    segment_hop_s: float | None = None
    front_end: Kind = "logmel"
    window_ms: float = 25.0
    hop_ms: float = 10.0
    fft_length: int | None = None
    n_mels: int = 40
    f_min: float = 20.0
    f_max: float | None = None
    n_mfcc: int = 13
    level: Level = "kept"
    floor: float = 1e-9
    top: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnd:
    """Every parameter that turns a waveform into a model's input features; `data.audio.frontend` computes them.

    kind: log-mel powers, or the first n_mfcc coefficients of their DCT. sample_rate: Hz. clip_s: length of a sample in
    seconds; shorter clips are padded with silence on both sides. long: longer clips lose both ends ("crop") or become several
    samples, one every `segment_hop_s` ("segment"). window_ms, hop_ms: of the frames. fft_length: points of the transform.
    f_min, f_max: Hz, of n_mels triangular filters. level: powers as recorded ("kept"; a sine of amplitude 1 peaks at 1), or
    divided by that of the loudest band and frame of the sample. floor, top: the powers that become 0 and 1. version: version
    of the computation's rules.
    """

    kind: Kind
    sample_rate: int
    clip_s: float
    long: Long = "crop"
    segment_hop_s: float | None = None
    window_ms: float = 25.0
    hop_ms: float = 10.0
    fft_length: int
    n_mels: int = 40
    f_min: float = 20.0
    f_max: float
    n_mfcc: int | None = None
    level: Level = "kept"
    floor: float = 1e-9
    top: float = 1.0
    version: int = 1

    @property
    def clip_samples(self) -> int:
        """Samples of the waveform from which one sample of the data set is computed."""
        return round(self.clip_s * self.sample_rate)

    @property
    def window_samples(self) -> int:
        """Samples of one frame."""
        return round(self.window_ms * self.sample_rate / 1000)

    @property
    def hop_samples(self) -> int:
        """Samples between the starts of two frames."""
        return round(self.hop_ms * self.sample_rate / 1000)

    @property
    def segment_hop_samples(self) -> int:
        """Samples between the starts of two segments of a clip."""
        return round((self.segment_hop_s or self.clip_s) * self.sample_rate)

    @property
    def frames(self) -> int:
        """T: the frames that lie completely within a clip."""
        return 1 + (self.clip_samples - self.window_samples) // self.hop_samples

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, F, 1) of the features."""
        return self.frames, self.n_mfcc if self.n_mfcc else self.n_mels, 1

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) over the parameters."""
        parameters = asdict(self)
        if self.level == "kept":
            del parameters["level"]  # newer than files that identify their front end by this digest
        text = json.dumps(parameters, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def told(self) -> str:
        """The former name of `summary`."""
        return self.summary

    @property
    def summary(self) -> str:
        """The front end in a few words: the text in `InputSpec.preprocessing`."""
        bands = f"{self.n_mfcc} MFCC of {self.n_mels} mel bands" if self.n_mfcc else f"{self.n_mels} log-mel bands"
        return (
            f"{bands}, {self.window_ms:g} ms windows every {self.hop_ms:g} ms, of {self.clip_s:g} s at {self.sample_rate:,} Hz, "
            f"{'relative to the loudest, ' if self.level == 'loudest' else ''}float in [0, 1]"
        )
