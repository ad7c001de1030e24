"""Following a stage, with a scheduler that does as it is told in the place of a real one."""

from collections.abc import Iterable
from typing import Any

import pytest
from torchx.runner import Runner
from torchx.schedulers.api import AppDryRunInfo, DescribeAppResponse, ListAppResponse, Scheduler
from torchx.specs import AppDef, AppState, Role, runopts

from components import stage_following
from components.stage_following import follow
from components.stage_log import StageLog

ROLE = Role("train", image="")
HANDLE = "told://test/7"


class ToldScheduler(Scheduler[Any]):
    """Says a job's states in turn, the last for ever; raises those that are errors."""

    def __init__(self, states: Iterable[AppState | Exception], log: Iterable[str] = ()) -> None:
        super().__init__("told", "test")
        self.states, self.log = list(states), log
        self.cancelled = False

    def describe(self, app_id: str) -> DescribeAppResponse | None:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return DescribeAppResponse(app_id, state=state)

    def log_iter(self, *args: Any, **options: Any) -> Iterable[str]:
        return self.log

    def _cancel_existing(self, app_id: str) -> None:
        self.cancelled, self.states = True, [AppState.CANCELLED]

    def schedule(self, dryrun_info: AppDryRunInfo[Any]) -> str:
        return "7"

    def _submit_dryrun(self, app: AppDef, cfg: Any) -> AppDryRunInfo[Any]:
        return AppDryRunInfo(None, repr)

    def _run_opts(self) -> runopts:
        return runopts()

    def list(self) -> list[ListAppResponse]:
        return []


def runner_of(scheduler: ToldScheduler) -> Runner:
    return Runner("test", {"told": lambda session_name, **_: scheduler})


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_following, "POLL_S", 0.01)


def test_bad_input_is_not_started_again_where_a_log_ends_with_each_start() -> None:
    scheduler = ToldScheduler([AppState.RUNNING], ["[0]:error: a.toml: no such spec file\n"])
    log = StageLog(under_torchrun=True)
    status = follow(runner_of(scheduler), HANDLE, ROLE, log)
    assert scheduler.cancelled
    assert status is not None
    assert status.state == AppState.CANCELLED
