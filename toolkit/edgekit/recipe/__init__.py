"""A recipe: everything that decides a build. YAML in, YAML out; every section is read by few stages.

The stage cache keys on the sections that a stage reads: changing `quantization` never retrains.
"""

from edgekit.errors import RecipeError, UnknownName
from edgekit.recipe.audio import AudioSection
from edgekit.recipe.base import Section, known
from edgekit.recipe.compression import PruningSection, QuantizationSection, StudentSection
from edgekit.recipe.curation import CurationSection
from edgekit.recipe.data import BenchSection, DataSection, NoiseSection
from edgekit.recipe.operating import OperatingSection
from edgekit.recipe.peft import PeftSection
from edgekit.recipe.reading import bench_of, data_of, differences, from_mapping, from_yaml, load, read_yaml, section_of
from edgekit.recipe.recipe import LEFT_OUT, Recipe
from edgekit.recipe.training import DistillationSection, TeacherSection, TrainingSection

__all__ = [
    "LEFT_OUT", "AudioSection", "BenchSection", "CurationSection", "DataSection", "DistillationSection", "NoiseSection",
    "OperatingSection", "PeftSection", "PruningSection", "QuantizationSection", "Recipe", "RecipeError", "Section",
    "StudentSection", "TeacherSection", "TrainingSection", "UnknownName", "bench_of", "data_of", "differences", "from_mapping",
    "from_yaml", "known", "load", "read_yaml", "section_of",
]  # fmt: skip
