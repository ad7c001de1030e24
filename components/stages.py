"""The stages as TorchX components: ``torchx run mep.prepare|mep.train|mep.evaluate``.

Each takes a spec and hands it to one entry point of the pipeline, with ``key=value`` overrides
after ``--``. The docstrings are what ``--help`` prints. TorchX 0.7 decodes typing's forms only
(``Dict``, ``List``, ``Optional``) and lists every function here that returns an ``AppDef``.
"""

from typing import Dict, List, Optional

import torchx.specs as specs
from torchx.components import dist

from components.dask_cluster import dask_roles

IMAGE = "multi-embedding-pipeline:cpu"


def prepare(
    *overrides: str,
    spec: str,
    image: str = IMAGE,
    h: Optional[str] = None,
    cpu: int = 2,
    memMB: int = 3072,
    workers: int = 0,
    worker_h: Optional[str] = None,
    worker_cpu: int = 2,
    worker_memMB: int = 3072,
    shared_dir: str = "runs",
    env: Optional[Dict[str, str]] = None,
    mounts: Optional[List[str]] = None,
    max_retries: int = 0,
) -> specs.AppDef:
    """Turns raw data into a dataset directory: Parquet shards, vocabularies and a manifest.

    One process, or with --workers one that drives a Dask cluster brought up for it. Does nothing
    when the data set is there and neither its source nor the spec's data section has changed.
    Example: torchx run mep.prepare --spec specs/demo.toml -- prepare.threads=4

    Args:
        overrides: after --, key=value replaces any value of the spec by its dotted path
        spec: path of the experiment spec, as seen from the working directory or inside the image
        image: container image; local_cwd and slurm ignore it and run what is installed
        h: named resource of the process, instead of cpu and memMB
        cpu: cpus to reserve; how many threads work is prepare.threads in the spec
        memMB: memory to reserve, in MB
        workers: Dask workers to prepare with, beside a scheduler; 0 prepares in one process
        worker_h: named resource of a worker, instead of worker_cpu and worker_memMB
        worker_cpu: cpus to reserve for a worker, which has as many threads
        worker_memMB: memory to reserve for a worker, in MB; one that takes more starts anew
        shared_dir: directory that all of the cluster see, for the scheduler's address
        env: environment variables, such as A=1,B=2
        mounts: mounts of a container, such as type=bind,src=/data,dst=/data,readonly
        max_retries: how often the scheduler may start the stage again; local_cwd never does
    """
    # Written out because utils.python takes no environment, mounts or retries.
    alone = specs.Role(
        name="prepare",
        image=image,
        entrypoint="python",
        args=["-m", "pipeline.prepare", spec, *overrides],
        env=dict(env or {}),
        resource=specs.resource(cpu=cpu, gpu=0, memMB=memMB, h=h),
        mounts=specs.parse_mounts(mounts or []),
        max_retries=max_retries,
    )
    if not workers:
        return specs.AppDef(name="prepare", roles=[alone])
    worker = specs.resource(cpu=worker_cpu, gpu=0, memMB=worker_memMB, h=worker_h)
    roles = dask_roles(alone, [spec, *overrides], workers, worker, shared_dir)
    return specs.AppDef(name="prepare", roles=roles)


def train(
    *overrides: str,
    spec: str,
    image: str = IMAGE,
    j: str = "1x2",
    h: Optional[str] = None,
    cpu: int = 2,
    gpu: int = 0,
    memMB: int = 3072,
    threads: int = 1,
    env: Optional[Dict[str, str]] = None,
    mounts: Optional[List[str]] = None,
    max_restarts: int = 0,
    max_retries: int = 0,
) -> specs.AppDef:
    """Trains the model of a spec on its prepared data set, sharded over all processes.

    One process a GPU, or a few on CPU, started by torchrun. A training that was stopped goes on
    from its last checkpoint. Example: torchx run mep.train --spec specs/demo.toml -- train.epochs=2

    Args:
        overrides: after --, key=value replaces any value of the spec by its dotted path
        spec: path of the experiment spec, as seen from the working directory or inside the image
        image: container image; local_cwd and slurm ignore it and run what is installed
        j: nodes x processes a node, such as 1x8; min:max nodes for an elastic job, such as 2:4x8
        h: named resource of a node, instead of cpu, gpu and memMB
        cpu: cpus to reserve on a node
        gpu: GPUs to reserve on a node, as many as it has processes
        memMB: memory to reserve on a node, in MB; also the shared memory of a container
        threads: CPU threads of a process (OMP_NUM_THREADS), unless env says otherwise
        env: environment variables, such as A=1,B=2
        mounts: mounts of a container, such as type=bind,src=/data,dst=/data,readonly
        max_restarts: how often torchrun may start all processes again, from the last checkpoint,
            when one dies or hangs
        max_retries: how often the scheduler may start the stage again; local_cwd never does
    """
    return dist.ddp(
        spec,
        *overrides,
        m="pipeline.train",
        name="mep/train",
        image=image,
        j=j,
        h=h,
        cpu=cpu,
        gpu=gpu,
        memMB=memMB,
        # dist.ddp has no argument for it; torchrun reads its own from the environment too.
        env={
            "OMP_NUM_THREADS": str(threads),
            "PET_MAX_RESTARTS": str(max_restarts),
            **(env or {}),
        },
        mounts=mounts,
        max_retries=max_retries,
    )


def evaluate(
    *overrides: str,
    spec: str,
    image: str = IMAGE,
    j: str = "1x1",
    h: Optional[str] = None,
    cpu: int = 2,
    gpu: int = 0,
    memMB: int = 3072,
    threads: int = 2,
    env: Optional[Dict[str, str]] = None,
    mounts: Optional[List[str]] = None,
    max_retries: int = 0,
) -> specs.AppDef:
    """Evaluates the best checkpoint of a run: metrics.json and the report of the embeddings.

    One process unless -j says more. Example: torchx run mep.evaluate --spec specs/demo.toml

    Args:
        overrides: after --, key=value replaces any value of the spec by its dotted path
        spec: path of the experiment spec, as seen from the working directory or inside the image
        image: container image; local_cwd and slurm ignore it and run what is installed
        j: nodes x processes a node, such as 1x8
        h: named resource of a node, instead of cpu, gpu and memMB
        cpu: cpus to reserve on a node
        gpu: GPUs to reserve on a node, as many as it has processes
        memMB: memory to reserve on a node, in MB; also the shared memory of a container
        threads: CPU threads of a process (OMP_NUM_THREADS), unless env says otherwise
        env: environment variables, such as A=1,B=2
        mounts: mounts of a container, such as type=bind,src=/data,dst=/data,readonly
        max_retries: how often the scheduler may start the stage again; local_cwd never does
    """
    return dist.ddp(
        spec,
        *overrides,
        m="pipeline.evaluate",
        name="mep/evaluate",
        image=image,
        j=j,
        h=h,
        cpu=cpu,
        gpu=gpu,
        memMB=memMB,
        env={"OMP_NUM_THREADS": str(threads), **(env or {})},
        mounts=mounts,
        max_retries=max_retries,
    )
