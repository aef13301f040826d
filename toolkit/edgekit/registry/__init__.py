"""Every table of the program: name -> Entry(path, summary, extra). One line in a table adds a method, student, source or target.

`edgekit list`, `--help`, the recipe's validation and the architecture tests all read these tables; `load` imports the
module behind a name on first use, so that listing names costs nothing.
"""

from edgekit.registry.curations import CURATIONS, POOLS
from edgekit.registry.entry import Entry, Program
from edgekit.registry.exports import BUNDLES, FORMATS, PRECISIONS
from edgekit.registry.networks import BACKENDS, PUBLIC_WEIGHTS, STUDENTS, TEACHERS
from edgekit.registry.sources import SOURCES
from edgekit.registry.tables import TABLES, check, load, module
from edgekit.registry.targets import TARGETS, target_forms

__all__ = [
    "BACKENDS",
    "BUNDLES",
    "CURATIONS",
    "FORMATS",
    "POOLS",
    "PRECISIONS",
    "PUBLIC_WEIGHTS",
    "SOURCES",
    "STUDENTS",
    "TABLES",
    "TARGETS",
    "TEACHERS",
    "Entry",
    "Program",
    "check",
    "load",
    "module",
    "target_forms",
]
