"""What TorchX would hand to each scheduler, as plain data in which nothing is random."""

import contextlib
import signal
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from torchx.runner import get_runner
from torchx.schedulers.slurm_scheduler import SlurmBatchRequest

ROOT = Path(__file__).parents[1]
CFG: dict[str, dict[str, str]] = {
    "local_cwd": {"log_dir": "logs"},
    "slurm": {"partition": "gpu", "time": "24:00:00"},
    "kubernetes": {"queue": "default", "service_account": "trainer"},
    "aws_batch": {"queue": "gpu", "user": "ada"},
    "local_docker": {},
}
_CONTAINER = [
    *["--image", "registry.example.com/mep:1", "--env", "A=1,B=2", "--max_retries", "3"],
    "--mounts",
    "type=bind,src=/data,dst=/data,readonly,type=volume,src=runs,dst=/app/runs",
]
_SPEC = ["--spec", "specs/demo.toml"]
_OVERRIDES = ["--", "run.seed=1", "data.source=/x y/$HOME/train.txt"]
# What a person says of each component, one case with little and one with all of it.
ARGUMENTS: dict[str, list[str]] = {
    "prepare": _SPEC,
    "prepare on dask": [
        *[*_SPEC, *_CONTAINER, "--cpu", "4", "--memMB", "16000"],
        *["--workers", "2", "--worker_h", "cpu_16", *_OVERRIDES],
    ],
    "train": _SPEC,
    "train on two nodes": [
        *[*_SPEC, *_CONTAINER, "-j", "2x8", "-h", "h100_8", "--threads", "4"],
        *["--max_restarts", "5", "--rdzv_port", "29501"],
        *["--rdzv_conf", "join_timeout=1800,read_timeout=300", *_OVERRIDES],
    ],
    "train elastic": [*_SPEC, *_CONTAINER, "-j", "1:2x1", "--gpu", "1"],
    "evaluate": _SPEC,
    "evaluate on gpus": [*_SPEC, *_CONTAINER, "-h", "a100_8", *_OVERRIDES],
    "study": ["--spec", "specs/studies/frappe.toml"],
    "study on gpus": [
        *["--spec", "specs/studies/frappe.toml", *_CONTAINER, "-h", "h200_8"],
        *["--", "launch.cells_at_once=8"],
    ],
    "tensorboard": [],
    "tensorboard to all": [*_CONTAINER, "--logdir", "/app/runs", "--host", "0.0.0.0"],
}


@contextlib.contextmanager
def signal_handlers_kept() -> Iterator[None]:
    """Puts pytest's handler of Ctrl-C back: TorchX's local scheduler installs its own."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@cache
def request(case: str, scheduler: str) -> Any:
    """The request of a case of ``ARGUMENTS``, with the repository's .torchxconfig."""
    component = f"mep.{case.split()[0]}"
    with signal_handlers_kept(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHXCONFIG", str(ROOT / ".torchxconfig"))
        patch.delenv("LOGLEVEL", raising=False)
        patch.chdir(ROOT)
        with get_runner(name="torchx") as runner:
            cfg = CFG[scheduler]
            made = runner.dryrun_component(component, ARGUMENTS[case], scheduler, cfg=cfg).request
    return _settled(made)


def _settled(made: Any) -> Any:
    """Plain data, in which the name of the app is APP and the working directory is CWD."""
    if isinstance(made, SlurmBatchRequest):
        # A job of Slurm's is named by its number, which the script takes from the environment.
        return _replaced({"command": made.cmd, "script": made.materialize()}, {str(ROOT): "CWD"})
    if hasattr(made, "resource"):
        plain, name = yaml.safe_load(str(made)), made.resource["metadata"]["name"]
    else:
        plain = _plain(made)
        name = plain.get("app_id") or plain["name"]
    return _replaced(plain, {name: "APP", str(ROOT): "CWD"})


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    """The same with names in all text replaced."""
    if isinstance(value, dict):
        return {_replaced(key, names): _replaced(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, names) for part in value]
    if isinstance(value, str):
        for name, replacement in names.items():
            value = value.replace(name, replacement)
    return value


def _plain(value: Any) -> Any:
    """Dictionaries, lists and scalars, whatever classes the scheduler's client has for them."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(vars(value))
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
