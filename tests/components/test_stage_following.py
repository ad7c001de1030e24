"""Following a stage, with a scheduler that says what it is told to say."""

from argparse import Namespace

import pytest
from told_scheduler import ToldScheduler, runner_of
from torchx.specs import AppState, Role

from components import chain, stage_following
from components.stage_following import NoAnswerError, follow
from components.stage_log import StageLog

ROLE = Role("train", image="")
HANDLE = "told://test/7"
GONE = RuntimeError("no route\nto the server")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_following, "POLL_S", 0.01)
    monkeypatch.setattr(stage_following, "PAUSES_S", (0.0, 0.0, 0.0))


def test_bad_input_is_not_started_again_where_a_log_ends_with_each_start() -> None:
    scheduler = ToldScheduler([AppState.RUNNING], ["[0]:error: a.toml: no such spec file\n"])
    log = StageLog(under_torchrun=True)
    status = follow(runner_of(scheduler), HANDLE, ROLE, log)
    assert scheduler.cancelled
    assert status is not None
    assert status.state == AppState.CANCELLED


def test_a_scheduler_that_fails_for_a_while_is_asked_again() -> None:
    scheduler = ToldScheduler([AppState.PENDING, GONE, GONE, GONE, AppState.SUCCEEDED])
    status = follow(runner_of(scheduler), HANDLE, ROLE, StageLog(under_torchrun=True))
    assert status is not None
    assert status.state == AppState.SUCCEEDED


def test_a_scheduler_that_keeps_failing_is_given_up() -> None:
    scheduler = ToldScheduler([AppState.PENDING, GONE])
    with pytest.raises(NoAnswerError, match=r"^RuntimeError: no route to the server$"):
        follow(runner_of(scheduler), HANDLE, ROLE, StageLog(under_torchrun=True))


def test_a_log_that_cannot_be_read_is_one_line_and_the_state_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scheduler = ToldScheduler([AppState.RUNNING, GONE, AppState.RUNNING, AppState.SUCCEEDED])
    status = follow(runner_of(scheduler), HANDLE, ROLE, StageLog(under_torchrun=True))
    assert status is not None
    assert status.state == AppState.SUCCEEDED
    out, err = capsys.readouterr()
    assert (out, err) == (
        "   no more of the log of node 0: RuntimeError: no route to the server\n",
        "",
    )


def run_prepare(scheduler: ToldScheduler) -> int:
    options = Namespace(scheduler="told", spec="a.toml", j=None, overrides=[])
    return chain._run_stage(runner_of(scheduler), "prepare", options, {})


def test_the_chain_says_how_to_cancel_a_job_that_it_gave_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_prepare(ToldScheduler([AppState.PENDING, GONE])) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "told does not answer (RuntimeError: no route to the server)" in line
    assert line.endswith("it is NOT cancelled; later: torchx cancel told://test/7")


def test_a_scheduler_that_cannot_launch_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def schedule(self: ToldScheduler, dryrun_info: object) -> str:
        raise GONE

    monkeypatch.setattr(ToldScheduler, "schedule", schedule)
    assert run_prepare(ToldScheduler([AppState.PENDING])) == 1
    expected = "error: told did not take prepare: RuntimeError: no route to the server\n"
    assert capsys.readouterr().err == expected
