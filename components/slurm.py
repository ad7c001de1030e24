"""TorchX's Slurm scheduler, with its logs in one place and a job's state as Slurm itself has it.

TorchX 0.7 leaves three files a node in the directory of submission, shows stderr alone, empties
them when the job is requeued, and asks the accounting for the state: that is late, forgets a
requeue, and stops TorchX with an assertion when somebody cancels the job. Registered as ``slurm``
in pyproject.toml, for ``torchx`` and the chain alike.
"""

import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from torchx.schedulers.api import AppDryRunInfo, DescribeAppResponse, Stream, filter_regex
from torchx.schedulers.slurm_scheduler import (
    SLURM_STATES,
    SlurmBatchRequest,
    SlurmOpts,
    SlurmReplicaRequest,
)
from torchx.schedulers.slurm_scheduler import SlurmScheduler as TorchxSlurmScheduler
from torchx.specs import (
    AppDef,
    AppState,
    ReplicaStatus,
    Role,
    RoleStatus,
    is_terminal,
    macros,
    runopts,
)

from components.stage_log import LOG_DIR, whole_lines

POLL_S = 1.0
CHUNK = 65_536
# Besides TorchX's: what the controller says and the accounting never does. A job completes when its
# processes are gone on all nodes, or a lost node is marked down; it may be requeued then.
STATES: Mapping[str, AppState] = {
    **SLURM_STATES,
    "COMPLETING": AppState.RUNNING,
    "CONFIGURING": AppState.PENDING,
    "REQUEUE_HOLD": AppState.PENDING,
    "SPECIAL_EXIT": AppState.PENDING,
    "STAGE_OUT": AppState.RUNNING,
}
# Slurm's word for ESLURM_INVALID_JOB_ID, by any client that asks the controller.
UNKNOWN_JOB = "Invalid job id"
FIELD = re.compile(r"\b(JobName|JobState|Reason|Restarts)=(\S+)")
# TorchX asks for unbuffered output, which srun gives through a pseudo-terminal: tables would have a
# terminal's colours. torchrun's lines have the rank on the node, which is 0 on each, unless told.
OUTPUT = {"TERM": "dumb", "TORCHELASTIC_LOG_LINE_PREFIX_TEMPLATE": "[${rank}]:"}


class SlurmScheduler(TorchxSlurmScheduler):
    """Submits, follows and describes jobs of one or several nodes."""

    def __init__(self, session_name: str) -> None:
        super().__init__(session_name)
        self._log_dirs: dict[str, Path] = {}
        self._latest: dict[str, tuple[float, DescribeAppResponse | None]] = {}

    def _run_opts(self) -> runopts:
        options = super()._run_opts()
        options.add(
            "log_dir",
            type_=str,
            default=LOG_DIR,
            help="Directory of the logs, which all nodes share: slurm-JOB.log has what the job's "
            "script did, slurm-JOB-ROLE-NODE.log what a node said.",
        )
        return options

    def _submit_dryrun(self, app: AppDef, cfg: SlurmOpts) -> AppDryRunInfo[SlurmBatchRequest]:
        """TorchX's request, with both streams of a node in one file that a requeue adds to.

        A node's GPUs are asked for by the node: ``--gpus-per-task``, which TorchX writes, Slurm
        refuses from 23.11 on unless ``--ntasks`` is said too.
        """
        info = super()._submit_dryrun(app, cfg)
        logs = Path(cfg["log_dir"]).absolute()
        info.request.cmd += [f"--output={logs}/slurm-%j.log", "--open-mode=append"]
        for name, node in info.request.replicas.items():
            del node.srun_opts["error"]
            node.srun_opts["output"] = f"{logs}/slurm-{macros.app_id}-{name}.log"
            node.srun_opts["open-mode"] = "append"
            if gpus := node.sbatch_opts.pop("gpus-per-task", None):
                node.sbatch_opts["gpus-per-node"] = gpus
            node.env = {**OUTPUT, **node.env}
            _say_commas_in_the_command(node)
        return info

    def schedule(self, dryrun_info: AppDryRunInfo[SlurmBatchRequest]) -> str:
        """Submits the job; returns its number."""
        logs = Path(dryrun_info._cfg["log_dir"]).absolute()
        logs.mkdir(parents=True, exist_ok=True)
        job: str = super().schedule(dryrun_info)
        self._log_dirs[job] = logs
        submitted = DescribeAppResponse(job, state=AppState.SUBMITTED, msg="SUBMITTED")
        self._latest[job] = (-POLL_S, submitted)
        return job

    def describe(self, app_id: str) -> DescribeAppResponse | None:
        """The job as the controller has it, or else the accounting; None when neither knows it.

        While the controller does not answer, as when it restarts, the job is as it was last: its
        processes go on. Asks at most once in ``POLL_S`` seconds, however many logs are followed.
        """
        asked, latest = self._latest.get(app_id, (-POLL_S, None))
        if time.monotonic() - asked >= POLL_S:
            rows = _output("scontrol", "-o", "show", "job", app_id)
            if rows is not None or latest is None:
                latest = self._described(app_id, rows or [])
            self._latest[app_id] = (time.monotonic(), latest)
        return latest

    def _described(self, app_id: str, rows: list[str]) -> DescribeAppResponse | None:
        """The job by the controller's rows; by the accounting's where there are none."""
        # Nodes are the components of a heterogeneous job; the first says how all of it is.
        nodes = [dict(FIELD.findall(row)) for row in rows]
        if not nodes:
            names = ["JobName", "JobState", "Reason"]
            rows = _accounting(app_id, "JobName,State,Reason")
            nodes = [dict(zip(names, row.split("|"), strict=True)) for row in rows]
        if not nodes:
            return None
        statuses: dict[str, RoleStatus] = {}
        for node in nodes:
            role, number = _role_and_replica(node["JobName"])
            replica = ReplicaStatus(number, role, _app_state(node["JobState"]), hostname="")
            statuses.setdefault(role, RoleStatus(role, [])).replicas.append(replica)
        state, reason = nodes[0]["JobState"], nodes[0]["Reason"]
        return DescribeAppResponse(
            app_id=app_id,
            roles=[
                Role(name=name, image="", num_replicas=len(status.replicas))
                for name, status in statuses.items()
            ],
            state=_app_state(state),
            num_restarts=int(nodes[0].get("Restarts", 0)),
            msg=state if reason in ("", "None") else f"{state}, {reason}",
            roles_statuses=list(statuses.values()),
            ui_url=f"file://{self._log_dir(app_id)}/slurm-{app_id}[.-]*log",
        )

    def log_iter(
        self,
        app_id: str,
        role_name: str,
        k: int = 0,
        regex: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        should_tail: bool = False,
        streams: Stream | None = None,
    ) -> Iterable[str]:
        """The lines of a node's log, stdout and stderr as they came, over all requeues."""
        path = self._log_dir(app_id) / f"slurm-{app_id}-{role_name}-{k}.log"
        lines = (f"{line}\n" for line in whole_lines(self._pieces(app_id, path, should_tail)))
        return filter_regex(regex, lines) if regex else lines

    def _pieces(self, app_id: str, path: Path, should_tail: bool) -> Iterator[str]:
        """What stands in a file and, if it is to be followed, what is added until the job ends."""
        while not path.exists():
            if not should_tail or self._has_ended(app_id):
                return
            time.sleep(POLL_S)
        with path.open(errors="replace", newline="\n") as file:
            while True:
                # Asked before reading, so that nothing is written after the last read.
                last = not should_tail or self._has_ended(app_id)
                while piece := file.read(CHUNK):
                    yield piece
                if last:
                    return
                time.sleep(POLL_S)

    def _has_ended(self, app_id: str) -> bool:
        job = self.describe(app_id)
        return job is None or is_terminal(job.state)

    def _log_dir(self, app_id: str) -> Path:
        """Where a job's logs are: as it was submitted here, or by the accounting's word."""
        if app_id not in self._log_dirs:
            submitted = "\n".join(_accounting(app_id, "SubmitLine"))
            found = re.search(r"--output=(.+)/slurm-%j\.log", submitted)
            self._log_dirs[app_id] = Path(found[1] if found else LOG_DIR)
        return self._log_dirs[app_id]


def create_scheduler(session_name: str, **options: Any) -> SlurmScheduler:
    """TorchX's entry point; it hands every scheduler the options of all."""
    return SlurmScheduler(session_name)


def _say_commas_in_the_command(node: SlurmReplicaRequest) -> None:
    """Has ``env`` set the variables whose value has a comma: in srun's ``--export`` it ends one."""
    commas = {name: value for name, value in node.env.items() if "," in value}
    if commas:
        node.env = {name: value for name, value in node.env.items() if name not in commas}
        words = [f"{name}={value}" for name, value in commas.items()]
        node.args = [*words, node.entrypoint, *node.args]
        node.entrypoint = "env"


def _role_and_replica(job_name: str) -> tuple[str, int]:
    """``train`` and 1 of ``train-1``; another's job, asked for by its number, is a role of one."""
    role, _, number = job_name.rpartition("-")
    return (role, int(number)) if role and number.isdigit() else (job_name, 0)


def _app_state(state: str) -> AppState:
    """TorchX's word for Slurm's, which may be followed by more: ``CANCELLED by 1000``."""
    return STATES.get(state.split()[0], AppState.UNKNOWN)


def _accounting(app_id: str, fields: str) -> list[str]:
    """A job's rows in the accounting; none where it does not know the job, or does not answer."""
    return _output("sacct", "-n", "-P", "-X", "-j", app_id, "-o", fields) or []


def _output(*command: str) -> list[str] | None:
    """The lines that a client of Slurm prints: none of a job unknown, None where nobody answers."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 and UNKNOWN_JOB not in done.stderr:
        return None
    return done.stdout.splitlines()
