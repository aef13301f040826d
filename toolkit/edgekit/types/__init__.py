"""The values that flow between stages, and the protocols of the families. Imports nothing heavy.

Every value is frozen, keyword-only and reloads from disk; arrays are read-only. N samples, K classes, D embedding width.
"""

from __future__ import annotations

from edgekit.types.audio import AudioOptions, FrontEnd
from edgekit.types.curation import Decision, Edit, Fact, Pool, Scores, Selection, Signals
from edgekit.types.data import Dataset, Images, InputSpec, RawData, ReadOptions, Skipped, Split
from edgekit.types.families import CurationMethod, PoolStrategy, Reporter, Silent, Source, Student
from edgekit.types.models import Artifact, Evaluation, Gate, Measurement, Output, Report, TensorSpec, TrainedModel

__all__ = [
    "Artifact",
    "AudioOptions",
    "CurationMethod",
    "Dataset",
    "Decision",
    "Edit",
    "Evaluation",
    "Fact",
    "FrontEnd",
    "Gate",
    "Images",
    "InputSpec",
    "Measurement",
    "Output",
    "Pool",
    "PoolStrategy",
    "RawData",
    "ReadOptions",
    "Report",
    "Reporter",
    "Scores",
    "Selection",
    "Signals",
    "Silent",
    "Skipped",
    "Source",
    "Split",
    "Student",
    "TensorSpec",
    "TrainedModel",
]
