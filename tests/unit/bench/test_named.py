"""targets.yaml, and which devices a target means."""

import pytest

from edgekit import recipe
from edgekit.bench import named
from edgekit.errors import RecipeError, UnknownName

RUNNER_SHA = "5d" * 32


@pytest.fixture
def targets(tmp_path, monkeypatch):
    """Writes targets.yaml of a configuration folder of the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "no-adb-here"))

    def write(text):
        named.path().parent.mkdir(exist_ok=True)
        named.path().write_text(text)
        return named.path().parent

    return write


def test_no_file_is_no_target(targets):
    assert named.configured() == {}
    with pytest.raises(UnknownName, match="Unknown target 'pi'"):
        named.endpoints(["pi"])


def test_a_name_stands_for_its_target_and_settings(targets):
    folder = targets(
        f"pi:\n  target: ssh://pi@raspberrypi.local:2222\n  python: /opt/py\n"
        f"phone: {{target: 'adb:R58N', runner: bin/benchmark_model, runner_sha256: {RUNNER_SHA}, libraries: [libx.so]}}\n"
    )
    pi, phone, host = named.endpoints(["pi", "phone", "host"])
    assert (pi.text, pi.address.user, pi.address.host, pi.address.port) == ("pi", "pi", "raspberrypi.local", 2222)
    assert phone.address.serial == "R58N"
    assert host.address.kind == "host"
    plan = phone.plan(recipe.bench_of())
    assert plan.runner == str(folder / "bin" / "benchmark_model"), "relative to targets.yaml"
    assert plan.libraries == (str(folder / "libx.so"),)
    assert plan.runner_sha256 == RUNNER_SHA
    assert pi.plan(recipe.bench_of()) == recipe.bench_of()
    assert phone.plan(recipe.bench_of(runner="/mine")).runner == "/mine", "what the recipe says goes first"


def test_a_wrong_name_gets_the_closest_one(targets):
    targets("kitchen: {target: host}\n")
    with pytest.raises(UnknownName, match="Did you mean 'kitchen'"):
        named.endpoints(["kitchn"])


def test_attached_means_all(targets):
    targets("pi: {target: 'ssh://pi@10.0.0.7'}\nphone: {target: 'adb:R58N'}\n")
    assert [each.text for each in named.endpoints(["attached"])] == ["host", "pi", "phone"]


def test_unused_names_what_was_not_asked_for(targets):
    targets("pi: {target: 'ssh://pi@10.0.0.7'}\n")
    assert named.unused(["host"]) == ["pi"]
    assert named.unused(["pi"]) == named.unused(["ssh://pi@10.0.0.7"]) == named.unused(["attached"]) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- a\n- b\n", "not a mapping"),
        ("pi: [", "cannot be read"),
        ("pi: ssh://pi@host\n", r"pi: .*"),
        ("pi: {target: 'ssh://-oProxyCommand=x'}\n", "pi: .* which is not a valid one"),
        ("pi: {target: attached}\n", r"pi\.target: expected host, ssh"),
        ("pi: {target: host, pasword: x}\n", r"pi\.pasword"),
        ("host: {target: host}\n", "host: the name is taken"),
        ("pi: {target: host, runner_sha256: abc}\n", r"pi\.runner_sha256"),
        ("pi: !!python/object/apply:os.system ['touch x']\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_recipe_error(targets, text, reason):
    targets(text)
    with pytest.raises(RecipeError, match=reason):
        named.configured()
