"""The components: ``torchx run mep.prepare|mep.train|mep.evaluate|mep.study|mep.tensorboard``.

Each stage takes a spec and hands it to one entry point of the pipeline, with ``key=value``
overrides after ``--``; a study does so many times, and TensorBoard shows what comes of it. They
share a file because a file is a namespace to TorchX, which lists every function defined here that
returns an ``AppDef``. The docstrings are what ``--help`` prints. TorchX 0.7 decodes typing's forms
only (``Dict``, ``List``, ``Optional``), and says "(required)" of what stands after ``--``.
"""

from typing import Dict, List, Optional

import torchx.specs as specs

from components.dask_cluster import dask_roles
from components.roles import IMAGE, image_for, python_process, torchrun_processes


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
        overrides: nothing, or after -- any number of key=value, each of which replaces a value of
            the spec by its dotted path
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
    command = ["-m", "pipeline.prepare", spec, *overrides]
    resource = specs.resource(cpu=cpu, gpu=0, memMB=memMB, h=h)
    alone = python_process("prepare", command, image, resource, env, mounts, max_retries)
    if not workers:
        return specs.AppDef(name="prepare", roles=[alone])
    worker = specs.resource(cpu=worker_cpu, gpu=0, memMB=worker_memMB, h=worker_h)
    roles = dask_roles(alone, [spec, *overrides], workers, worker, shared_dir)
    return specs.AppDef(name="prepare", roles=roles)


def train(
    *overrides: str,
    spec: str,
    image: str = "",
    j: Optional[str] = None,
    h: Optional[str] = None,
    cpu: int = 2,
    gpu: int = 0,
    memMB: int = 3072,
    threads: int = 1,
    env: Optional[Dict[str, str]] = None,
    mounts: Optional[List[str]] = None,
    rdzv_backend: str = "c10d",
    rdzv_port: int = 29500,
    rdzv_conf: Optional[Dict[str, str]] = None,
    max_restarts: int = 0,
    max_retries: int = 0,
) -> specs.AppDef:
    """Trains the model of a spec on its prepared data set, sharded over all processes.

    One process a GPU, or a few on CPU, started by torchrun. A training that was stopped goes on
    from its last checkpoint.
    Example: torchx run mep.train --spec specs/demo.toml -- train.epochs=2

    Args:
        overrides: nothing, or after -- any number of key=value, each of which replaces a value of
            the spec by its dotted path
        spec: path of the experiment spec, as seen from the working directory or inside the image
        image: container image; unless given, multi-embedding-pipeline:cuda with GPUs, else
            :cpu; local_cwd and slurm ignore it and run what is installed
        j: nodes x processes a node, such as 2x8; min:max nodes for an elastic job, such as 2:4x8;
            unless given, one node with a process a GPU, or 2 processes without GPUs
        h: named resource of a node, such as h100_8, instead of cpu, gpu and memMB
        cpu: cpus to reserve on a node
        gpu: GPUs to reserve on a node
        memMB: memory to reserve on a node, in MB; also the shared memory of a container
        threads: CPU threads of a process (OMP_NUM_THREADS), unless env says otherwise
        env: environment variables, such as A=1,B=2
        mounts: mounts of a container, such as type=bind,src=/data,dst=/data,readonly
        rdzv_backend: how torchrun's nodes find each other: c10d, or static for a fixed set of them
        rdzv_port: port on the first node where they meet; two jobs on a node need two
        rdzv_conf: more of it, such as join_timeout=1800,read_timeout=300 (seconds) for nodes that
            come late
        max_restarts: how often torchrun may start all processes again, from the last checkpoint,
            when one dies or hangs
        max_retries: how often the scheduler may start the stage again; local_cwd never does
    """
    # dist.ddp has no argument for restarts; torchrun reads its own from the environment too.
    restarts = {"PET_MAX_RESTARTS": str(max_restarts)}
    return torchrun_processes(
        "train",
        [spec, *overrides],
        image=image,
        j=j,
        on_cpu=2,
        h=h,
        cpu=cpu,
        gpu=gpu,
        memory_mb=memMB,
        env={"OMP_NUM_THREADS": str(threads), **restarts, **(env or {})},
        mounts=mounts,
        rdzv_backend=rdzv_backend,
        rdzv_port=rdzv_port,
        rdzv_conf=rdzv_conf,
        max_retries=max_retries,
    )


def evaluate(
    *overrides: str,
    spec: str,
    image: str = "",
    j: Optional[str] = None,
    h: Optional[str] = None,
    cpu: int = 2,
    gpu: int = 0,
    memMB: int = 3072,
    threads: int = 2,
    env: Optional[Dict[str, str]] = None,
    mounts: Optional[List[str]] = None,
    rdzv_backend: str = "c10d",
    rdzv_port: int = 29500,
    rdzv_conf: Optional[Dict[str, str]] = None,
    max_retries: int = 0,
) -> specs.AppDef:
    """Evaluates the best checkpoint of a run: metrics.json and the report of the embeddings.

    One process a GPU, or one on CPU, started by torchrun.
    Example: torchx run mep.evaluate --spec specs/demo.toml

    Args:
        overrides: nothing, or after -- any number of key=value, each of which replaces a value of
            the spec by its dotted path
        spec: path of the experiment spec, as seen from the working directory or inside the image
        image: container image; unless given, multi-embedding-pipeline:cuda with GPUs, else
            :cpu; local_cwd and slurm ignore it and run what is installed
        j: nodes x processes a node, such as 1x8; unless given, one node with a process a GPU, or
            one process without GPUs
        h: named resource of a node, such as h100_8, instead of cpu, gpu and memMB
        cpu: cpus to reserve on a node
        gpu: GPUs to reserve on a node
        memMB: memory to reserve on a node, in MB; also the shared memory of a container
        threads: CPU threads of a process (OMP_NUM_THREADS), unless env says otherwise
        env: environment variables, such as A=1,B=2
        mounts: mounts of a container, such as type=bind,src=/data,dst=/data,readonly
        rdzv_backend: how torchrun's nodes find each other: c10d, or static
        rdzv_port: port on the first node where they meet
        rdzv_conf: more of it, such as join_timeout=1800,read_timeout=300 (seconds)
        max_retries: how often the scheduler may start the stage again; local_cwd never does
    """
    return torchrun_processes(
        "evaluate",
        [spec, *overrides],
        image=image,
        j=j,
        on_cpu=1,
        h=h,
        cpu=cpu,
        gpu=gpu,
        memory_mb=memMB,
        env={"OMP_NUM_THREADS": str(threads), **(env or {})},
        mounts=mounts,
        rdzv_backend=rdzv_backend,
        rdzv_port=rdzv_port,
        rdzv_conf=rdzv_conf,
        max_retries=max_retries,
    )


def study(
    *overrides: str,
    spec: str,
    image: str = "",
    h: Optional[str] = None,
    cpu: int = 2,
    gpu: int = 0,
    memMB: int = 3072,
    env: Optional[Dict[str, str]] = None,
    mounts: Optional[List[str]] = None,
    max_retries: int = 0,
) -> specs.AppDef:
    """Runs a study: a grid of experiments, and the table and page of their results.

    One process, which launches every experiment as the study's spec says: on the scheduler
    launch.scheduler, local_cwd for all of them inside what this job reserves. Experiments that are
    done are skipped.
    Example: torchx run mep.study --spec specs/studies/frappe.toml

    Args:
        overrides: nothing, or after -- any number of key=value, each of which replaces a value of
            the study's spec by its dotted path
        spec: path of the study's spec, as seen from the working directory or inside the image
        image: container image; unless given, multi-embedding-pipeline:cuda with GPUs, else
            :cpu; local_cwd and slurm ignore it and run what is installed
        h: named resource of the process, such as h100_8, instead of cpu, gpu and memMB
        cpu: cpus to reserve, for the experiments that run here too
        gpu: GPUs to reserve, for the experiments that run here
        memMB: memory to reserve, in MB; also the shared memory of a container
        env: environment variables, such as A=1,B=2
        mounts: mounts of a container, such as type=bind,src=/data,dst=/data,readonly
        max_retries: how often the scheduler may start the study again; local_cwd never does
    """
    command = ["-m", "pipeline.study", spec, *overrides]
    resource = specs.resource(cpu=cpu, gpu=gpu, memMB=memMB, h=h)
    role = python_process(
        "study", command, image_for(resource, image), resource, env, mounts, max_retries
    )
    return specs.AppDef(name="study", roles=[role])


def tensorboard(
    logdir: str = "runs",
    host: str = "localhost",
    port: int = 6006,
    image: str = IMAGE,
    h: Optional[str] = None,
    cpu: int = 1,
    memMB: int = 2048,
    env: Optional[Dict[str, str]] = None,
    mounts: Optional[List[str]] = None,
    max_retries: int = 0,
) -> specs.AppDef:
    """Serves TensorBoard on a directory of runs, until it is stopped.

    It finds the logs of every run below the directory and takes up new ones while they are written.
    On this machine Ctrl-C stops it, elsewhere torchx cancel does.
    Example: torchx run mep.tensorboard --logdir runs --port 6007

    Args:
        logdir: directory of runs, or of one
        host: address to listen on; 0.0.0.0 lets in every machine that reaches this one, and is what
            a container needs
        port: port to listen on
        image: container image; local_cwd and slurm ignore it and run what is installed
        h: named resource of the process, instead of cpu and memMB
        cpu: cpus to reserve
        memMB: memory to reserve, in MB
        env: environment variables, such as A=1,B=2
        mounts: mounts of a container, such as type=volume,src=runs,dst=/app/runs,readonly
        max_retries: how often the scheduler may start it again; local_cwd never does
    """
    command = ["-m", "tensorboard.main", "--logdir", logdir, "--host", host, "--port", str(port)]
    resource = specs.resource(cpu=cpu, gpu=0, memMB=memMB, h=h)
    role = python_process("tensorboard", command, image, resource, env, mounts, max_retries)
    role.port_map = {"http": port}
    return specs.AppDef(name="tensorboard", roles=[role])
