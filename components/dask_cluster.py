"""The roles of a preparation on Dask: its driver, a scheduler and workers.

They find each other by a file, named for the app, on a file system that all of them see. Host names
would do on some schedulers only: TorchX tells the first role's, in a variable of another name on
each, and the first role is here the driver, whose log is the stage's.
"""

from dataclasses import replace

from torchx.specs import Resource, Role, macros

# A block of rows for every thread passes through the scheduler; 30 MB each as measured.
SCHEDULER_MB = 1024
SCHEDULER_MB_A_THREAD = 48


def dask_roles(
    prepare: Role, stage: list[str], workers: int, worker: Resource, shared_dir: str
) -> list[Role]:
    """Puts a scheduler and workers beside the role that prepares.

    Args:
        prepare: the role as it would prepare alone; becomes the driver.
        stage: the spec and its overrides.
        workers: how many.
        worker: what each reserves; it has a thread for every cpu.
        shared_dir: a directory that all roles see.
    """
    file = f"{shared_dir}/.dask/{macros.app_id}.json"

    def role(kind: str, name: str, replicas: int, resource: Resource, *arguments: str) -> Role:
        words = ["-m", "pipeline.prepare_dask", kind, "--scheduler-file", file, *arguments]
        return replace(
            prepare,
            name=name,
            args=words,
            num_replicas=replicas,
            resource=resource,
            env=dict(prepare.env),
        )

    threads = max(1, int(worker.cpu))
    memory = SCHEDULER_MB + SCHEDULER_MB_A_THREAD * workers * threads
    limits = ["--threads", str(threads), "--memory-mb", str(worker.memMB)]
    return [
        role("driver", prepare.name, 1, prepare.resource, "--workers", str(workers), *stage),
        role("scheduler", "scheduler", 1, Resource(cpu=1, gpu=0, memMB=memory)),
        role("worker", "worker", workers, worker, *limits),
    ]
