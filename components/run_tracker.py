"""A TorchX tracker whose records are the run directories themselves.

    torchx tracker list jobs
    torchx tracker list jobs --parent-run-id runs/demo
    torchx tracker list metadata runs/demo
    torchx tracker list artifacts local_cwd://torchx/train-x1y2

A run directory holds the spec, the dataset's digest, the metrics and the files already, and the
names of the jobs that made them. So nothing is written twice, nothing can disagree, and a run that
was started without TorchX, is under way or was killed is there too. A run is named by its
directory or by any of its jobs. What a program adds through TorchX's own interface is kept beside.
"""

from collections.abc import Iterable, Iterator, Mapping

import fsspec
from torchx.tracker.api import TrackerArtifact, TrackerSource
from torchx.tracker.backend.fsspec import FsspecTracker, _FsspecTrackerPathBuilder

from components.run_record import RECORD, SPEC, RunRecord

# Below the directory of runs: what was added by add_metadata and its like.
ADDED = ".tracker"


def create(config: str | None) -> "RunTracker":
    """The tracker of a directory of runs; TorchX calls it with .torchxconfig's ``config``.

    Raises:
        ValueError: .torchxconfig names no directory.
    """
    if not config:
        raise ValueError(".torchxconfig: [tracker:runs] needs config = <directory or URL of runs>")
    return RunTracker(config.rstrip("/"))


class RunTracker(FsspecTracker):
    """The runs below a directory or URL."""

    def __init__(self, root: str) -> None:
        fs, path = fsspec.url_to_fs(root)
        # In place of FsspecTracker's own, which wants its directory to be there: whoever adds makes
        # it, and to list runs takes no right to write beside them.
        self.fs = fs
        self._path_builder = _FsspecTrackerPathBuilder(f"{path}/{ADDED}")
        self._root = root
        self._root_path = path

    def __repr__(self) -> str:
        return f"<RunTracker: {self._root}>"

    def run_ids(self, parent_run_id: str | None = None) -> Iterable[str]:
        """Every run and its jobs; of a parent, which may be a run, its jobs alone."""
        parent = parent_run_id and parent_run_id.rstrip("/")
        found = []
        for name, run in self._runs():
            jobs = run.launches()
            of_parent = [job for job in jobs if parent in (name, job.get("parent"))]
            found += [] if parent else [name]
            found += [job["job"] for job in (of_parent if parent else jobs)]
        return list(dict.fromkeys([*found, *super().run_ids(parent_run_id=parent)]))

    def metadata(self, run_id: str) -> Mapping[str, object]:
        """What the run directory tells, and what was added."""
        own: dict[str, object] = {}
        if (named := self._find(run_id)) is not None:
            own = {"run": named[0], **named[1].metadata()}
        return own | dict(super().metadata(run_id))

    def artifacts(self, run_id: str) -> Mapping[str, TrackerArtifact]:
        """The files of the run, and what was added."""
        named = self._find(run_id)
        own = {} if named is None else named[1].artifacts()
        return own | dict(super().artifacts(run_id))

    def sources(self, run_id: str, artifact_name: str | None = None) -> Iterable[TrackerSource]:
        """The run that a job worked on, and what was added."""
        named = self._find(run_id)
        own = [] if named is None or named[0] == run_id else [TrackerSource(named[0], None)]
        return [*([] if artifact_name else own), *super().sources(run_id, artifact_name)]

    def _find(self, run_id: str) -> tuple[str, RunRecord] | None:
        """The run of that directory, or that the job of that name worked on."""
        wanted = run_id.rstrip("/")
        for name, run in self._runs():
            if wanted == name or wanted in [launch["job"] for launch in run.launches()]:
                return name, run
        return None

    def _runs(self) -> Iterator[tuple[str, RunRecord]]:
        """The runs by name, wherever below the root; a run holds no other."""
        for path, directories, files in self.fs.walk(self._root_path):
            if SPEC in files and RECORD in files:
                name = self._root + path.removeprefix(self._root_path)
                yield name, RunRecord(self.fs, name)
                directories[:] = []
            directories[:] = sorted(one for one in directories if not one.startswith("."))
