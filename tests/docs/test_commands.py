"""Every command of the pages runs, in the order of its page, in a folder of the page's own; exceptions.py lists what does not."""

import os

import pytest
from tests.docs import place
from tests.docs.pages import PAGES, commands

pytestmark = pytest.mark.tf

# Those that make what others take as given come first.
FIRST = ("docs/tutorial.md", "docs/howto/images.md", "docs/howto/audio.md")
WITH_COMMANDS = [
    *FIRST,
    *(page for page in PAGES if page not in FIRST and any(place.is_run(command) for command in commands(page))),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shipped):
    from tests.unit.data.audio import sounds

    made = place.Place(tmp_path_factory.mktemp("docs"))
    place.furnish(made.given, shipped, sounds)
    return made


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_of_a_page_run(page, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-targets"))
    cache = os.environ["XDG_CACHE_HOME"]
    here = folder.page(page)
    block, where = None, here
    for command in commands(page):
        if command.block != block:
            block, where = command.block, here
        if not place.is_run(command):
            continue
        if command.words[0] == "cd":
            where = where / command.words[1]
            assert where.is_dir(), f"{page}:{command.line}"
            continue
        code = folder.run(command, where)
        may_miss = place.MAY_MISS if "--gate" in command.words or command.words[1:2] == ["gate"] else set()
        assert code in {0, *may_miss}, (
            f"{page}:{command.line}: {command.text}: exit code {code}\n{capsys.readouterr().err}"
        )
    assert os.environ["XDG_CACHE_HOME"] == cache
