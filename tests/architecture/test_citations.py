"""Every Markdown file that a text of the repository cites is in the repository, and so is every heading of docs/methods.md."""

import re
import subprocess
from pathlib import Path, PurePosixPath

import pytest
from tests.conftest import REPOSITORY

TEXTS = {".j2", ".md", ".py", ".sh", ".toml", ".yaml", ".yml"}
# Files that edgekit writes, or that a user or a test names.
WRITTEN = {"FILE.md", "card.md", "gates.md", "own.md", "s.md", "step.md"}
CITATION = re.compile(r"[\w./-]*[\w-]\.md\b")


def files() -> list[Path]:
    """All files of the repository that git does not ignore."""
    try:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in listed.split("\0") if name and (path := REPOSITORY / name).is_file()]


def generated() -> set[str]:
    """The pages that the documentation site makes from the program."""
    return set(re.findall(r'"(reference/[\w-]+\.md)"', (REPOSITORY / "docs" / "hooks" / "pages.py").read_text()))


def missing(text: str, known: set[str]) -> list[str]:
    """The cited files that are no file in `known`, with as many of its folders as the citation has."""
    cited = (re.sub(r"^(?:\.{0,2}/)+", "", found) for found in CITATION.findall(re.sub(r"https?://\S+", "", text)))
    return [name for name in cited if name not in known]


def endings(paths: set[str]) -> set[str]:
    """a/b/c -> c, b/c and a/b/c."""
    parts = [PurePosixPath(path).parts for path in paths]
    return {"/".join(each[start:]) for each in parts for start in range(len(each))}


def test_every_cited_file_is_in_the_repository():
    found = files()
    pages = {path.relative_to(REPOSITORY).as_posix() for path in found if path.suffix == ".md"}
    known = endings(pages | generated()) | WRITTEN
    texts = [path for path in found if path.suffix in TEXTS or path.name == "Makefile"]
    assert len(texts) > 100
    lost = {path.relative_to(REPOSITORY).as_posix(): missing(path.read_text(), known) for path in texts}
    assert not {name: cited for name, cited in lost.items() if cited}


def test_a_file_that_is_not_there_is_found():
    known = endings({"docs/howto/pi.md", "README.md"})
    gone = "GONE" + ".md"
    assert missing("see docs/howto/pi.md, howto/pi.md, ../howto/pi.md and ./README.md", known) == []
    assert missing(f"see {gone} section 3", known) == [gone]
    assert missing(f"[it](howto/{gone}#a) at https://example.org/{gone}", known) == [f"howto/{gone}"]


def test_every_cited_heading_of_the_methods_is_there():
    heads = set(re.findall(r"^#+ (.+)$", (REPOSITORY / "docs" / "methods.md").read_text(), re.MULTILINE))
    cited = set()
    for path in files():
        if path.suffix == ".py":
            text = re.sub(r"\s*\n\s*(?:#\s*)?", " ", path.read_text())
            cited |= set(re.findall(r'docs/methods\.md, \\?"([^"\\]+)', text))
    assert len(cited) > 20
    assert not cited - heads
