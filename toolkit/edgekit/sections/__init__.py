"""The sections of a recipe. Each is read by one stage, which is what the stage cache keys on.

Changing `quantization` never retrains.
"""

from edgekit.sections.audio import AudioSection
from edgekit.sections.base import Section, known
from edgekit.sections.compression import PruningSection, QuantizationSection, StudentSection
from edgekit.sections.curation import CurationSection
from edgekit.sections.data import BenchSection, DataSection, NoiseSection
from edgekit.sections.operating import OperatingSection
from edgekit.sections.peft import PeftSection
from edgekit.sections.training import DistillationSection, TeacherSection, TrainingSection

__all__ = [
    "AudioSection",
    "BenchSection",
    "CurationSection",
    "DataSection",
    "DistillationSection",
    "NoiseSection",
    "OperatingSection",
    "PeftSection",
    "PruningSection",
    "QuantizationSection",
    "Section",
    "StudentSection",
    "TeacherSection",
    "TrainingSection",
    "known",
]
