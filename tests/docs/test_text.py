"""What the pages say is so: options exist, recipes load, links lead somewhere; and no exception is listed without need."""

import re

import pytest
import typer
import yaml
from tests.conftest import REPOSITORY
from tests.docs import exceptions
from tests.docs.pages import FENCES, PAGES, blocks, commands, mentions

from edgekit import recipe
from edgekit.cli.app import app
from edgekit.evidence import gates
from edgekit.study import definition

ALL = [command for page in PAGES for command in commands(page)]
NAMED = [command for command in ALL if "edgekit" in command.words[:1]]


def test_there_are_commands_on_the_pages_that_promise_them():
    pages = {command.page for command in ALL}
    assert {
        "README.md",
        "docs/tutorial.md",
        *(f"docs/howto/{name}.md" for name in ["images", "audio", "keras", "pi", "phone", "ci", "scale"]),
    } <= pages


def test_every_block_says_what_it_is():
    unknown = [
        f"{block.page}:{block.line}"
        for page in PAGES
        for block in blocks(page)
        if block.language and block.language not in FENCES
    ]
    assert not unknown, "write the language behind ```"
    hidden = [
        f"{block.page}:{block.line}"
        for page in PAGES
        for block in blocks(page)
        if not block.is_shell
        and not block.language
        and any(line.startswith(("edgekit ", "pip ")) for line in block.lines)
    ]
    assert not hidden, "a command stands in a block that does not begin with one"


def test_every_exception_is_on_a_page_and_has_one_kind():
    assert not set(exceptions.LISTED) - {command.text for command in ALL}
    assert len(exceptions.LISTED) == len(exceptions.PLANNED) + len(exceptions.PARSED) + len(exceptions.OUTSIDE)
    assert not [text for text in exceptions.OUTSIDE if text.startswith("edgekit ")]
    assert all(exceptions.LISTED.values())


def found(words):
    """(command, the words after its name) of the program; `edgekit curate show` is the command show."""
    command, rest = typer.main.get_command(app), words[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


@pytest.mark.parametrize("command", NAMED, ids=lambda command: f"{command.page}:{command.line}")
def test_every_command_is_parsed_by_the_program(command):
    parser, rest = found(command.words)
    values = parser.make_context(parser.name, list(rest)).params
    targets = values.get("target") or ["host", "ssh://user@pi"]
    assert gates.demanded(values.get("gate") or [], targets) is not None
    if values.get("set_"):
        recipe.load(settings=values["set_"])


@pytest.mark.parametrize("page", PAGES)
def test_every_option_that_is_mentioned_exists(page):
    for words in mentions(page):
        parser, rest = found(words)
        known = {
            name for param in parser.get_params(typer.Context(parser)) for name in (*param.opts, *param.secondary_opts)
        }
        known |= {"--version", "--debug", "-v"}
        strange = [
            word for word in rest if re.match(r"--?[a-z]", word) and word.split("=")[0].rstrip(".,;:") not in known
        ]
        assert not strange, " ".join(words)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/ci.md"])
def test_the_recipes_and_studies_load(page, tmp_path):
    for number, block in enumerate(block for block in blocks(page) if block.language == "yaml"):
        values = yaml.safe_load("\n".join(block.lines))
        if "arms" in values:
            path = tmp_path / f"{number}.yaml"
            path.write_text("\n".join(block.lines))
            assert definition.load(path).seeds
        elif "target" not in next(iter(values.values())):  # a targets.yaml
            assert recipe.from_mapping(values)


def anchors(text):
    """The anchors of a page's headings, as GitHub and the site make them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_repository_lead_somewhere(page):
    """mkdocs checks those of the site; here README.md too, and that a page reads on GitHub. reference/ is made by the site."""
    prose = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            assert re.fullmatch(r"https://[\w.-]+(/[\w./#%~-]*)?", target), f"{page}: {target}"
            continue
        file = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        if "reference" in file.parts:
            continue
        assert file.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(file.read_text()), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_files_of_the_repository_that_a_page_names_are_there(page):
    named = re.findall(r"`(?:\$ )?((?:benchmarks|docs|tests|calibration_data|models)/[\w./-]+)`", PAGES[page])
    assert not [path for path in named if not (REPOSITORY / path).exists()]
