"""What MkDocs calls while it builds: the pages under reference/ are made from the program, so they cannot be out of date.

The pages themselves are plain functions that return Markdown (command_pages, recipe_pages, python_pages): another site generator
could call them as well.
"""

from __future__ import annotations

from typing import Any

import command_pages
import python_pages
import recipe_pages
from mkdocs.structure.files import File

PAGES = {
    "reference/commands.md": command_pages.commands,
    "reference/exit-codes.md": command_pages.exit_codes,
    "reference/python.md": python_pages.python,
    "reference/recipe.md": recipe_pages.recipe,
    "reference/study.md": recipe_pages.study,
}


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those of docs/."""
    for path, page in PAGES.items():
        files.append(File.generated(config, path, content=page()))
    return files
