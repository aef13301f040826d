"""The digest of the code that a stage runs, so that changed code never uses old results from the stage cache.

Which code that is follows from the sources: the modules that the stage's module imports, also inside functions, the modules that
these import, and the files that they name (templates, C, shell, tables). What is loaded by name from the registry, such as the
student of the recipe, is passed in. Nothing is imported for this.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from edgekit.errors import DiskFull
from edgekit.runs.cache import cache_root
from edgekit.runs.files import canonical_json, write_atomic

PACKAGE = Path(__file__).parents[1]
_NAME = PACKAGE.name


def code_digest(*modules: str, package: Path = PACKAGE) -> str:
    """Digest of all files that `modules` ("edgekit.training.stage") reach within edgekit.

    Args:
        package: the folder of the package, for tests.

    Raises:
        LookupError: one of the modules does not exist.
    """
    return _digest(frozenset(modules), package)


@lru_cache
def _digest(modules: frozenset[str], package: Path) -> str:
    return _sources(package).digest(modules)


@lru_cache
def _sources(package: Path) -> _Sources:
    """Read once for all stages of a process: their keys are of the code that it runs."""
    return _Sources(package)


class _Sources:
    """The files of the package: the content of each, and what each names."""

    def __init__(self, package: Path) -> None:
        self.package = package
        files = [p for p in sorted(package.rglob("*")) if p.is_file() and "__pycache__" not in p.parts]
        self.digests = {p.relative_to(package).as_posix(): _digest_of(p) for p in files}
        self.modules = {_module(name): name for name in self.digests if name.endswith(".py")}
        self.named = _by_last_name(self.digests)
        self.cache = cache_root() / "code.json"
        # What a file names depends on which files there are, and on how this module reads them.
        read_by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        self.listing = hashlib.sha256(canonical_json([read_by, *sorted(self.digests)]).encode()).hexdigest()
        self.known = self._known()

    def digest(self, modules: frozenset[str]) -> str:
        if unknown := modules - set(self.modules):
            raise LookupError(f"No module {sorted(unknown)[0]} in {self.package}.")
        reached: dict[str, str] = {}
        before = len(self.known)
        left = [file for module in modules for file in self._files(module)]
        while left:
            file = left.pop()
            if file in reached:
                continue
            reached[file] = self.digests[file]
            if file.endswith(".py"):
                left.extend(self._names(file))
        if len(self.known) > before and self.cache.parent.is_dir():  # a dry run makes no folder for it
            self._keep()
        return hashlib.sha256(canonical_json(reached).encode()).hexdigest()[:16]

    def _names(self, file: str) -> list[str]:
        """The files that a module imports or names; cached by its digest, since reading all takes a second."""
        key = f"{file} {self.digests[file]}"
        if key not in self.known:
            tree = ast.parse((self.package / file).read_bytes())
            names = {name for module in _imported(tree) for name in self._files(module)}
            for text in _texts(tree):
                names.update(self._process(text) or self._data(text, file))
            self.known[key] = sorted(names)
        return self.known[key]

    def _files(self, module: str) -> Iterator[str]:
        """The files of a module, or of what `from a import b` names, with the __init__ of each package above."""
        parts = module.split(".")
        if parts[0] != _NAME:
            return
        for end in range(1, len(parts) + 1):
            if file := self.modules.get(".".join(parts[:end])):
                yield file

    def _process(self, text: str) -> tuple[str, ...]:
        """The files of a module that `text` names for `python -m`."""
        return tuple(self._files(f"{text}.__main__")) if "." in text and f"{text}.__main__" in self.modules else ()

    def _data(self, text: str, file: str) -> Iterator[str]:
        """Files next to modules that `text` names: by name, or everything in a folder next to the module itself."""
        yield from self.named.get(text, ())
        folder = f"{file.rpartition('/')[0]}/{text}/".lstrip("/")
        if text and "/" not in text and not self.modules.get(_module(f"{folder}__init__.py")):
            yield from (name for name in self.digests if name.startswith(folder))

    def _known(self) -> dict[str, list[str]]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            held = json.loads(self.cache.read_text())
            if held["listing"] == self.listing and all(
                set(names) <= set(self.digests) for names in held["names"].values()
            ):
                return dict(held["names"])
        return {}

    def _keep(self) -> None:
        current = {f"{file} {digest}" for file, digest in self.digests.items()}
        names = {key: current_names for key, current_names in self.known.items() if key in current}
        with contextlib.suppress(OSError, DiskFull):  # it is an index alone
            write_atomic(self.cache, canonical_json({"listing": self.listing, "names": names}))


def _digest_of(path: Path) -> str:
    """SHA-256 of a file; "" = it cannot be read, which matters only to what imports it."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _module(file: str) -> str:
    return f"{_NAME}/{file}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _by_last_name(digests: Mapping[str, str]) -> dict[str, list[str]]:
    """File name with its ending -> the files of that name, such as "facts.json" or, to be copied, "runner.py"."""
    by_last_name: dict[str, list[str]] = {}
    for name in digests:
        if not name.endswith("__init__.py"):
            by_last_name.setdefault(name.rpartition("/")[2], []).append(name)
    return by_last_name


def _imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that the module imports, those inside functions too; not those for type checkers alone."""
    for node in _running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in _running(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of the tree but those below `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _running(child)
