"""The commands of README.md, CONTRIBUTING.md and docs/**/*.md, as a reader would copy them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tests.conftest import REPOSITORY

FENCES = {"sh", "text", "yaml", "json", "python", "kotlin", "c"}
PROGRAMS = {
    "aarch64-linux-gnu-gcc", "adb", "cd", "edgekit", "make", "pip", "python", "python3", "ray", "scp", "ssh", "ssh-copy-id",
}  # fmt: skip
PAGES = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text()
    for path in (
        *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")),
        *sorted((REPOSITORY / "docs").rglob("*.md")),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line of a shell block. text: without its comment; block: the number of its block on the page."""

    page: str
    block: int
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        """As the shell splits them, without what sets variables of the environment."""
        words = shlex.split(self.text)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            del words[0]
        return words


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A code block. language: of its fence; "" = a block by indentation."""

    page: str
    line: int
    language: str
    lines: tuple[str, ...]

    @property
    def is_shell(self) -> bool:
        first = next((line for line in self.lines if not line.startswith("#")), "")
        return self.language == "sh" or (not self.language and _starts(first) in PROGRAMS)


def blocks(page: str) -> Iterator[Block]:
    """The code blocks of a page, in order: fenced ones, and those that are indented by four spaces after an empty line."""
    language, found, start = None, [], 0
    before = ""
    for number, line in enumerate([*PAGES[page].splitlines(), ""], 1):
        fence = re.match(r"```(\S*)", line)
        if language is None and fence:
            language, found, start = fence[1] or "(none)", [], number
        elif language not in (None, "") and fence:
            yield Block(page=page, line=start, language=language, lines=tuple(found))
            language = None
        elif language:
            found.append(line)
        elif line.startswith("    ") and (language == "" or not before.strip()):
            if language is None:
                language, found, start = "", [], number
            found.append(line[4:])
        elif language == "":
            yield Block(page=page, line=start, language="", lines=tuple(found))
            language = None
        before = line


def commands(page: str) -> list[Command]:
    """The commands of a page's shell blocks."""
    found = []
    for number, block in enumerate(block for block in blocks(page) if block.is_shell):
        for offset, line in enumerate(block.lines):
            text = _uncommented(line)
            if text:
                found.append(Command(page=page, block=number, line=block.line + offset, text=text))
    return found


def mentions(page: str) -> Iterator[list[str]]:
    """The words of `edgekit ...` in prose, tables and text blocks: not complete, but commands and options must exist."""
    prose = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    texts = re.findall(r"`(edgekit [^`]+)`", prose.replace("\n", " "))
    texts += ["\n".join(block.lines) for block in blocks(page) if block.language == "text"]
    for text in texts:
        for command in re.findall(r"^edgekit .*(?:\n +.*)*", text, re.MULTILINE):
            yield re.findall(r"[^\s\[\]|]+", command)


def _starts(line: str) -> str:
    words = re.sub(r"^((?:[A-Z_]+=\S+ +)*)", "", line).split()
    return words[0] if words else ""


def _uncommented(line: str) -> str:
    """The line without a comment at its end; what stands in quotes is no comment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if not any(word.startswith("#") for word in lexer):
        return line.strip()
    return re.split(r"(?:^|\s)#", line)[0].strip()
