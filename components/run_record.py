"""What a run directory holds, as TorchX's trackers show it: metadata by dotted name, and files.

Read by fsspec, so that the directory may be at any URL. A training that is under way has its spec
and its latest figures; once evaluated it has its metrics.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from fsspec import AbstractFileSystem
from torchx.tracker.api import TrackerArtifact

SPEC, RECORD, LAUNCHES = "spec.toml", "training.json", "launches.jsonl"
POINTS, METRICS = "metrics.jsonl", "metrics.json"
# What of metrics.json is shown; of the collapse the means alone, not hundreds of figures of fields.
_MEASURED = ("train", "valid", "test", "oracle", "share_of_oracle")
_MEANS = ("information_abundance", "diversity")
ARTIFACTS = {
    "spec": SPEC,
    "plan": "plan.txt",
    "log points": POINTS,
    "tensorboard": "tensorboard",
    "checkpoints": "checkpoints",
    "best": "best",
    "metrics": METRICS,
    "report": "report/index.html",
}


class RunRecord:
    """One run directory."""

    def __init__(self, fs: AbstractFileSystem, path: str) -> None:
        self._fs = fs
        self._path = path

    def launches(self) -> list[dict[str, str]]:
        """The jobs that worked on it, in order: ``job``, ``stage``, ``began``, maybe ``parent``."""
        return self._lines(LAUNCHES)

    def metadata(self) -> dict[str, object]:
        """State, jobs, dataset, metrics and spec, by dotted name."""
        record = self._json(RECORD)
        metrics = self._json(METRICS)
        data = metrics.get("data") or {"digest": record["identity"]["dataset"]}
        trained = "trained" if record["complete"] else "training"
        shown: dict[str, object] = {"state": "evaluated" if metrics else trained}
        shown |= {f"job.{launch['stage']}": launch["job"] for launch in self.launches()}
        shown |= _flat({"dataset": {"directory": self._dataset(), **data}})
        if metrics:
            shown |= _flat({name: metrics[name] for name in _MEASURED if name in metrics})
            shown |= _flat({"parameters": metrics["model"]["parameters"]})
            # A single embedding has no diversity between sets.
            collapse = metrics["collapse"]
            shown |= {f"{name}.mean": collapse[name]["mean"] for name in _MEANS if name in collapse}
        else:
            latest = {point["kind"]: point for point in self._lines(POINTS)}
            shown |= _flat({"latest": latest})
        return shown | _flat({"spec": self._spec()})

    def artifacts(self) -> dict[str, TrackerArtifact]:
        """The files that are there, and the dataset, with bytes and time of writing."""
        paths = {name: f"{self._path}/{file}" for name, file in ARTIFACTS.items()}
        paths["dataset"] = self._dataset()
        return {
            name: TrackerArtifact(name, path, self._size_and_time(path))
            for name, path in paths.items()
            if self._fs.exists(path)
        }

    def _dataset(self) -> str:
        return self._spec()["data"]["directory"] or f"{self._path}/dataset"

    def _size_and_time(self, path: str) -> dict[str, object]:
        files = self._fs.find(path, detail=True).values()
        found: dict[str, object] = {"bytes": sum(file["size"] for file in files)}
        times = [file["mtime"] for file in files if "mtime" in file]
        if times:
            written = datetime.fromtimestamp(max(times), UTC)
            found["written"] = written.isoformat(timespec="seconds")
        return found

    def _spec(self) -> dict[str, Any]:
        return tomllib.loads(self._text(SPEC))

    def _json(self, name: str) -> dict[str, Any]:
        text = self._text(name)
        return json.loads(text) if text else {}

    def _lines(self, name: str) -> list[dict[str, Any]]:
        """A line of JSON each; one that is just being written is left out."""
        return [json.loads(line) for line in self._text(name).split("\n")[:-1]]

    def _text(self, name: str) -> str:
        path = f"{self._path}/{name}"
        return self._fs.read_text(path, encoding="utf-8") if self._fs.exists(path) else ""


def _flat(values: Mapping[str, Any]) -> dict[str, object]:
    """Values by dotted name; those of a list of tables by their place in it.

    >>> _flat({"test": {"auc": 0.8}, "ratios": [0.8, 0.2], "fields": [{"name": "a"}]})
    {'test.auc': 0.8, 'ratios': [0.8, 0.2], 'fields.0.name': 'a'}
    """
    return dict(_pairs("", values))


def _pairs(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _pairs(f"{prefix}{name}.", value)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            tables = {str(place): table for place, table in enumerate(value)}
            yield from _pairs(f"{prefix}{name}.", tables)
        else:
            yield prefix + name, value
