"""A scheduler that says what it is told to say, for TorchX's Runner."""

from collections.abc import Iterable
from typing import Any

from torchx.runner import Runner
from torchx.schedulers.api import AppDryRunInfo, DescribeAppResponse, ListAppResponse, Scheduler
from torchx.specs import AppDef, AppState, runopts


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
