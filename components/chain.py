"""Runs the stages in order through TorchX: prepare, train, evaluate.

    python -m components.chain --spec specs/demo.toml --scheduler local_cwd -- train.epochs=2

A stage starts when the one before it has succeeded, and says so and returns at once when nothing
that it reads has changed. So the same command, given again, goes on where a failed or interrupted
chain stopped; `--only STAGE` runs one of them. Exit codes: 0 done, 1 a stage or
its scheduler failed, 2 bad input, 130 interrupted (143 by SIGTERM, 129 with its terminal).
"""

import argparse
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from torchx.runner import Runner, get_runner
from torchx.runner.config import apply as apply_torchxconfig
from torchx.runner.config import load_sections
from torchx.schedulers import get_scheduler_factories
from torchx.specs import AppState, CfgVal, InvalidRunConfigException, Role
from torchx.specs.finder import ComponentNotFoundException
from torchx.util.types import to_dict

from components.interruption import (
    Interrupted,
    ignore_signals,
    raise_on_signals,
    signals_deferred,
)
from components.stage_following import NoAnswerError, brief, follow, message
from components.stage_log import LOG_DIR, StageLog
from components.torchx_defaults import check_torchxconfig

STAGES = ("prepare", "train", "evaluate")
# What TorchX raises on a request that cannot be: an unregistered component (the package is not
# installed), a scheduler's option, a named resource, a missing client package, a malformed value.
_REFUSALS = (
    ComponentNotFoundException,
    InvalidRunConfigException,
    KeyError,
    ModuleNotFoundError,
    ValueError,
)


class NotTakenError(Exception):
    """A scheduler was asked to launch a stage, and did not."""


class BadRequestError(Exception):
    """What was asked of the scheduler cannot be; nothing was launched."""


def main(arguments: Sequence[str]) -> int:
    """Runs the chain and returns its exit code."""
    options = _parser().parse_args(arguments)
    # The stages run with the python and the torchrun of this interpreter's environment, also on
    # Slurm, which hands the environment on.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    try:
        with get_runner(component_defaults=_component_defaults()) as runner:
            cfg = _scheduler_cfg(runner, options.scheduler, options.cfg)
            # Not sooner: TorchX's scheduler, made just now, installed handlers of its own.
            raise_on_signals()
            _check_requests(runner, options, cfg)
            code = _run_stages(runner, options, cfg)
    except BadRequestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as interruption:
        code = interruption.exit_code
    if code != 0:
        command = shlex.join(["python", "-m", "components.chain", *arguments])
        print(f"   to go on: {command}", file=sys.stderr)
    return code


@contextmanager
def _refusals_told() -> Iterator[None]:
    """Turns TorchX's refusal of what was asked into one line."""
    try:
        yield
    except _REFUSALS as error:
        raise BadRequestError(error.args[0]) from None


@_refusals_told()
def _component_defaults() -> dict[str, dict[str, str]]:
    """The components' arguments in .torchxconfig.

    Raises:
        BadRequestError: the file says what nobody reads.
    """
    check_torchxconfig()
    defaults: dict[str, dict[str, str]] = load_sections(prefix="component")
    return defaults


@_refusals_told()
def _scheduler_cfg(runner: Runner, scheduler: str, text: str) -> dict[str, CfgVal]:
    """The scheduler's options: the command line's, then .torchxconfig's, then the chain's.

    Raises:
        BadRequestError: an option is wrong, or a client package is missing.
    """
    known = runner.scheduler_run_opts(scheduler)
    names = [name for name, _ in known]
    unknown = sorted(to_dict(text).keys() - set(names))
    if unknown:
        raise ValueError(f"--cfg: {scheduler} has no option {unknown[0]!r}; it has: {names}")
    cfg: dict[str, CfgVal] = known.cfg_from_str(text)
    apply_torchxconfig(scheduler, cfg)
    if "log_dir" in names:
        cfg.setdefault("log_dir", LOG_DIR)
    return cfg


@_refusals_told()
def _check_requests(runner: Runner, options: argparse.Namespace, cfg: Mapping[str, CfgVal]) -> None:
    """A dry run of every stage: nothing wrong with a request is found halfway.

    Raises:
        BadRequestError: an argument is wrong, or a client package is missing.
    """
    for stage in options.only or STAGES:
        runner.dryrun_component(*_request(stage, options), cfg=cfg)


def _run_stages(runner: Runner, options: argparse.Namespace, cfg: Mapping[str, CfgVal]) -> int:
    """Runs the stages up to the first failure; returns an exit code."""
    for stage in options.only or STAGES:
        code = _run_stage(runner, stage, options, cfg)
        if code != 0:
            return code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.chain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--spec", required=True, help="path of the experiment spec")
    parser.add_argument(
        "--scheduler",
        required=True,
        choices=sorted(get_scheduler_factories()),
        help="the TorchX scheduler that runs the stages",
        metavar="NAME",
    )
    parser.add_argument(
        "--cfg", default="", metavar="K=V,...", help="its options; `torchx runopts` lists them"
    )
    parser.add_argument(
        "--only", nargs=1, choices=STAGES, help="the stage to run, instead of all three"
    )
    parser.add_argument(
        "-j",
        metavar="NxP",
        help="nodes x processes a node of the training (default: .torchxconfig's, or 1x2)",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="after --: replaces a value of the spec by its dotted path, for every stage",
    )
    return parser


def _request(stage: str, options: argparse.Namespace) -> tuple[str, list[str], str]:
    """The component, its arguments and the scheduler."""
    processes = ["-j", options.j] if stage == "train" and options.j else []
    arguments = ["--spec", options.spec, *processes, "--", *options.overrides]
    return f"mep.{stage}", arguments, options.scheduler


def _run_stage(
    runner: Runner, stage: str, options: argparse.Namespace, cfg: Mapping[str, CfgVal]
) -> int:
    """Launches a stage, shows its log until it ends and returns an exit code.

    Raises:
        Interrupted: after cancelling the stage, or saying that it could not.
    """
    began = time.monotonic()
    handle = ""
    try:
        # A job whose handle is lost to a signal could not be cancelled.
        with signals_deferred():
            handle = _submitted(runner, stage, options, cfg)
        role = runner.describe(handle).roles[0]
        print(f"== {stage}: {_launcher(role)} on {options.scheduler}", flush=True)
        log = StageLog(under_torchrun=_launcher(role) != role.entrypoint)
        status = follow(runner, handle, role, log)
    except (Interrupted, OSError) as reason:
        # An OSError: nobody reads what is printed, as where the terminal is closed. A second signal
        # must not break into the cancelling and leave processes behind.
        ignore_signals()
        print(f"== {stage}: {_cancel(runner, handle, options.scheduler, reason)}", file=sys.stderr)
        if isinstance(reason, Interrupted):
            raise
        return 1
    except NotTakenError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except NoAnswerError as error:
        print(
            f"== {stage}: {options.scheduler} does not answer ({error}); the job may still run, it "
            f"is NOT cancelled; later: torchx cancel {handle}",
            file=sys.stderr,
        )
        return 1
    seconds = f"{time.monotonic() - began:.0f} s"
    if status is not None and status.state == AppState.SUCCEEDED:
        print(f"== {stage}: done in {seconds}", flush=True)
        return 0
    place = status.ui_url.removeprefix("file://") if status and status.ui_url else handle
    state = f" ({message(status)})" if status and message(status) else ""
    verdict = f"== {stage}: failed after {seconds}{state}; its whole log: {place}"
    return _report_failure(log, verdict)


def _submitted(
    runner: Runner, stage: str, options: argparse.Namespace, cfg: Mapping[str, CfgVal]
) -> str:
    """Launches a stage and returns its handle.

    Raises:
        NotTakenError: there is no job.
    """
    try:
        return str(runner.run_component(*_request(stage, options), cfg=cfg))
    except Exception as error:
        # Every scheduler's client has errors of its own: its program or package is missing, nobody
        # answers, or the request is refused.
        raise NotTakenError(f"{options.scheduler} did not take {stage}: {brief(error)}") from None


def _cancel(runner: Runner, handle: str, scheduler: str, reason: BaseException) -> str:
    """Cancels a stage and says so, or that its scheduler, which may not answer, has not."""
    if not handle:
        return (
            f"{reason} while {scheduler} was asked to take it; did it? torchx list -s {scheduler}"
        )
    try:
        runner.cancel(handle)
    except Exception as error:
        return f"NOT cancelled on {reason} ({brief(error)}); later: torchx cancel {handle}"
    return f"cancelled on {reason}"


def _report_failure(log: StageLog, verdict: str) -> int:
    """Prints what explains a failure, and returns the exit code of its kind."""
    for line in [*log.explanation(), verdict]:
        print(line, file=sys.stderr)
    return 2 if log.found_bad_input else 1


def _launcher(role: Role) -> str:
    """``torchrun 1x2`` or the plain entry point, read from what TorchX was asked to run."""
    processes = re.search(r"torchrun .*--nproc_per_node (\d+)", " ".join(role.args))
    return f"torchrun {role.num_replicas}x{processes[1]}" if processes else role.entrypoint


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
