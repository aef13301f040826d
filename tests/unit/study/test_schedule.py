"""What is begun when, and what becomes of runs that fail or are killed: the schedule on an engine without processes."""

import json

from edgekit.study.definition import Study
from edgekit.study.plan import plan, recipe_of
from edgekit.study.schedule import Schedule, Skip
from edgekit.types import Silent

BASE = {"data": {"spec": "fashion-mnist-mini"}, "student": {"name": "conv8"}}
ARMS = {"iqr": {"curation": {"method": "iqr"}}}


class Engine:
    """The outermost port: ends the oldest run in each round, as `script` says: "ok", "failed", or a signal's number."""

    def __init__(self, slots=2, script=None):
        self.slots, self.script = slots, dict(script or {})
        self.running, self.begun, self.most = [], [], 0

    def start(self, name, out):
        self.running.append((name, out))
        self.begun.append(name)
        self.most = max(self.most, len(self.running))

    def ended(self):
        if not self.running:
            return {}
        name, out = self.running.pop(0)
        fates = self.script.get(name, ["ok"])
        fate = fates.pop(0) if len(fates) > 1 else fates[0]
        if isinstance(fate, int):
            return {name: f"was killed by signal {fate}"}
        outcome = {"status": "complete" if fate == "ok" else "failed", "seconds": 1.0}
        outcome |= {} if fate == "ok" else {"error": "the loss is nan", "exit_code": 5}
        (out / "jobs" / name / "outcome.json").write_text(json.dumps(outcome))
        return {name: "ended with status 0" if fate == "ok" else "ended with status 5"}

    def close(self):
        self.running.clear()


def work(tmp_path, engine, *, seeds=1, arms=None, prepare=None, finished=None, deadline=None):
    planned = plan(Study.model_validate({"base": BASE, "arms": arms or ARMS, "seeds": seeds}))
    statics = {run.name: run for run in planned.runs}

    def recipe(run):
        return recipe_of(planned.study, statics[run.after] if run.after else run)

    return Schedule(
        planned.runs,
        tmp_path,
        engine,
        prepare=prepare or recipe,
        finished=finished or (lambda run, recipe: False),
        deadline=deadline,
        reporter=Silent(),
    ).work()


def test_controls_wait_for_their_arm(tmp_path):
    engine = Engine()
    outcomes = work(tmp_path, engine)
    assert {outcome.status for outcome in outcomes.values()} == {"complete"}
    assert set(engine.begun[:2]) == {"full-1", "iqr-1"}
    assert sorted(engine.begun[2:]) == ["matched-of-iqr-1", "random-of-iqr-1"]


def test_one_run_alone_is_the_first_with_a_shared_teacher(tmp_path):
    engine = Engine(slots=4)
    work(tmp_path, engine, seeds=3)
    # All three of all data may begin at once; a second run of the same teacher only when the first has left it.
    assert engine.begun[:4] == ["full-1", "iqr-1", "full-2", "full-3"]
    assert engine.most <= 4


def test_a_killed_run_is_begun_once_more_and_counted_once(tmp_path):
    engine = Engine(script={"iqr-1": [9, "ok"]})
    outcomes = work(tmp_path, engine)
    assert engine.begun.count("iqr-1") == 2
    assert (outcomes["iqr-1"].status, outcomes["iqr-1"].attempts) == ("complete", 2)
    assert len(outcomes) == 4


def test_a_run_that_is_killed_twice_has_failed_and_its_controls_are_not_run(tmp_path):
    outcomes = work(tmp_path, Engine(script={"iqr-1": [9]}))
    assert outcomes["iqr-1"].status == "failed"
    assert outcomes["iqr-1"].reason == "two processes ended without an outcome; the last was killed by signal 9"
    assert outcomes["random-of-iqr-1"].status == "not run"
    assert outcomes["random-of-iqr-1"].reason == "it waits for iqr-1, which failed"
    assert outcomes["full-1"].status == "complete"


def test_an_error_of_the_run_is_not_tried_again(tmp_path):
    engine = Engine(script={"full-1": ["failed"]})
    outcomes = work(tmp_path, engine)
    assert engine.begun.count("full-1") == 1
    assert (outcomes["full-1"].status, outcomes["full-1"].reason) == ("failed", "the loss is nan")


def test_a_failed_first_run_leaves_the_shared_teacher_to_the_next(tmp_path):
    engine = Engine(script={"iqr-1": ["failed"]})
    outcomes = work(tmp_path, engine, seeds=2)
    assert outcomes["iqr-2"].status == "complete"


def test_finished_runs_are_not_begun_again(tmp_path):
    engine = Engine()
    outcomes = work(tmp_path, engine, finished=lambda run, recipe: run.name in ("full-1", "iqr-1"))
    assert sorted(engine.begun) == ["matched-of-iqr-1", "random-of-iqr-1"]
    assert (outcomes["iqr-1"].status, outcomes["iqr-1"].attempts) == ("complete", 0)


def test_nothing_begins_after_the_deadline(tmp_path):
    engine = Engine()
    outcomes = work(tmp_path, engine, deadline=0.0)
    assert not engine.begun
    assert outcomes["full-1"].reason == "max_hours was exceeded"


def test_a_run_that_is_not_needed_says_why(tmp_path):
    outcomes = work(tmp_path, Engine(), prepare=lambda run: Skip(status="not needed", reason="nothing was dropped"))
    assert outcomes["iqr-1"].reason == "nothing was dropped"
    assert outcomes["random-of-iqr-1"].reason == "it waits for iqr-1, which was not needed"
