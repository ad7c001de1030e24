"""A run directory: which training it holds, and whether that is finished.

spec.toml       the resolved spec
training.json   what identifies the training, whether it is complete, and its facts
plan.txt        the sharding plan
plan.json       the same for programs, and for a resumed training to follow
metrics.jsonl   a line a log point
launches.jsonl  a line a job of a scheduler that worked on it
lock            held by the training that works here
tensorboard/  checkpoints/  best/
metrics.json  report/           written by evaluate
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from pipeline.console import InputError
from pipeline.data.locked_directories import lock
from pipeline.data.manifest import Manifest
from pipeline.data.whole_files import file_digest, refusals_told, write_whole
from pipeline.spec import Spec
from pipeline.spec_file import to_toml

# What may change between the parts of one training.
_OPERATIONAL: dict[str, Any] = {
    "run": {"directory"},
    "data": True,
    "prepare": True,
    "sharding": {"type", "rules", "group_size", "reserved_share", "hardware"},
    "evaluate": True,
    "train": {
        "device",
        "pipeline",
        "max_loss",
        "checkpoint_every",
        "keep_checkpoints",
        "log_every",
        "profile_steps",
        "timeout_minutes",
    },
}

# The evaluate setting that a training depends on under train.monitor = "gauc".
_GROUPS = "evaluate.group_field"
# No setting but what follows from several, see ``table_updates``. Checkpoints keep it.
UPDATES = "kind of updates (by sharding.type, sharding.rules and train.device)"
# What names the model that ``train.warm_start`` begins with, while it is there: the other run may
# be trained anew under the same path.
_ORIGIN = "train.warm_start's best model"
# What records from before it was kept say nothing of.
_KEPT_LATER = {_GROUPS, UPDATES, _ORIGIN}


class RunDirectory:
    """The paths of a run, and the record of its training."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record_file = path / "training.json"
        self.spec_file = path / "spec.toml"
        self.plan_file = path / "plan.txt"
        self.plan_record_file = path / "plan.json"
        self.journal_file = path / "metrics.jsonl"
        self.launches_file = path / "launches.jsonl"
        self.metrics_file = path / "metrics.json"
        self.report_file = path / "report" / "index.html"
        self.tensorboard = path / "tensorboard"
        self.checkpoints = path / "checkpoints"
        self.best = path / "best"

    def read_record(self) -> dict[str, Any] | None:
        """The record of the training that is here, if any.

        Raises:
            InputError: it cannot be read.
        """
        try:
            return json.loads(self.record_file.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InputError(f"{self.record_file}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise InputError(
                f"{self.record_file}: not valid JSON ({error}); remove it and train again, which "
                "goes on from the last checkpoint"
            ) from None

    def completed(self, spec: Spec, manifest: Manifest) -> dict[str, Any] | None:
        """The facts of the training that ``spec`` describes, when it is here and complete.

        Raises:
            InputError: the directory holds another training, which must not be lost, or its
                record cannot be read.
        """
        record = self.read_record()
        if record is None:
            return None
        changed = differences(record["identity"], identity_of(spec, manifest))
        if changed:
            raise InputError(
                f"{self.path}: holds the training of another spec ({'; '.join(changed)}); "
                "give another run.directory, or remove this one"
            )
        return record["facts"] if record["complete"] else None

    def lock(self) -> TextIO:
        """Keeps other trainings out of the directory until the file that it returns is closed.

        Raises:
            InputError: another training is at work there, or the directory cannot be written.
        """
        with writable(self.path):
            return lock(
                self.path,
                f"{self.path}: another training is at work there; wait for its end, or give "
                "another run.directory",
            )

    def begin(self, spec: Spec, manifest: Manifest, plan: str, plan_record: dict[str, Any]) -> None:
        """Writes the resolved spec, the plan and the record of a training that is under way.

        Raises:
            InputError: the directory cannot be written.
        """
        with writable(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(self.spec_file, to_toml(spec).encode())
            write_whole(self.plan_file, plan.encode())
            write_whole(self.plan_record_file, (json.dumps(plan_record, indent=1) + "\n").encode())
            self._write_record(spec, manifest, complete=False, facts={})

    def finish(self, spec: Spec, manifest: Manifest, facts: dict[str, Any]) -> None:
        """Marks the training complete.

        Raises:
            InputError: the directory cannot be written.
        """
        with writable(self.path):
            self._write_record(spec, manifest, complete=True, facts=facts)

    def _write_record(
        self, spec: Spec, manifest: Manifest, complete: bool, facts: dict[str, Any]
    ) -> None:
        record = {"complete": complete, "identity": identity_of(spec, manifest), "facts": facts}
        write_whole(self.record_file, (json.dumps(record, indent=1) + "\n").encode())


@contextmanager
def writable(directory: Path) -> Iterator[None]:
    """Turns whatever keeps the body from writing into a run directory into one line.

    Raises:
        InputError: naming the directory.
    """
    advice = "mend it, or name a directory that you may write to as run.directory"
    with refusals_told(directory, "cannot be written", advice):
        yield


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The log points of a run, in order. A line that a kill cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


def hyperparameters(spec: Spec) -> dict[str, Any]:
    """Every setting that shapes the trained weights, by dotted key; lists as text."""
    settings = _settings(spec)
    plain = (bool, int, float, str)
    return {key: one if isinstance(one, plain) else str(one) for key, one in settings.items()}


def identity_of(spec: Spec, manifest: Manifest) -> dict[str, Any]:
    """Every setting that shapes the best model, by dotted key, and digests of what it is from."""
    settings = _settings(spec)
    if spec.train.monitor == "gauc":
        # Its groups choose the best epoch, and when training stops.
        settings[_GROUPS] = spec.evaluate.group_field
    origin = RunDirectory(Path(spec.train.warm_start)).best / "checkpoint.json"
    if spec.train.warm_start and origin.is_file():
        settings[_ORIGIN] = file_digest(origin)[:16]
    return {"dataset": manifest.digest[:16], **settings}


def _settings(spec: Spec) -> dict[str, Any]:
    """What shapes the trained weights, by dotted key."""
    return _flatten(spec.model_dump(mode="json", exclude=_OPERATIONAL))


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The settings that differ, each with what it was and what it is.

    What was not kept from the beginning is compared where both have it.
    """
    keys = sorted((old.keys() | new.keys()) - (_KEPT_LATER - (old.keys() & new.keys())))
    return [
        f"{key} was {old.get(key)!r}, is {new.get(key)!r}"
        for key in keys
        if old.get(key) != new.get(key)
    ]
