"""What the components are made of: a Python process, or torchrun's processes on every node."""

from collections.abc import Mapping, Sequence

from torchx.components import dist
from torchx.specs import AppDef, Resource, Role, parse_mounts, resource

IMAGE = "multi-embedding-pipeline:cpu"
GPU_IMAGE = "multi-embedding-pipeline:cuda"


def python_process(
    name: str,
    command: Sequence[str],
    image: str,
    resource: Resource,
    env: Mapping[str, str] | None,
    mounts: Sequence[str] | None,
    max_retries: int,
) -> Role:
    """One Python process. TorchX's utils.python takes no environment, mounts or retries."""
    return Role(
        name=name,
        image=image,
        entrypoint="python",
        args=list(command),
        env=dict(env or {}),
        resource=resource,
        mounts=parse_mounts(list(mounts or [])),
        max_retries=max_retries,
    )


def image_for(resource: Resource, image: str) -> str:
    """``image``, or where it is not said the one built for what is reserved."""
    return image or (GPU_IMAGE if resource.gpu > 0 else IMAGE)


def torchrun_processes(
    stage: str,
    command: Sequence[str],
    image: str,
    j: str | None,
    on_cpu: int,
    h: str | None,
    cpu: int,
    gpu: int,
    memory_mb: int,
    env: Mapping[str, str],
    mounts: Sequence[str] | None,
    rdzv_backend: str,
    rdzv_port: int,
    rdzv_conf: Mapping[str, str] | None,
    max_retries: int,
) -> AppDef:
    """A stage by torchrun on every node: ``j``, or a process a GPU, or ``on_cpu`` without GPUs."""
    node = resource(cpu=cpu, gpu=gpu, memMB=memory_mb, h=h)
    app = dist.ddp(
        *command,
        m=f"pipeline.{stage}",
        name=f"mep/{stage}",
        image=image_for(node, image),
        j=j or f"1x{int(node.gpu) or on_cpu}",
        h=h,
        cpu=cpu,
        gpu=gpu,
        memMB=memory_mb,
        env=dict(env),
        rdzv_port=rdzv_port,
        rdzv_backend=rdzv_backend,
        mounts=mounts,
        max_retries=max_retries,
    )
    _set_rendezvous(app, rdzv_conf)
    return app


def _set_rendezvous(app: AppDef, settings: Mapping[str, str] | None) -> None:
    """Adds the rendezvous's settings to torchrun's command: dist.ddp has no argument for them."""
    (role,) = app.roles
    shell, command = role.args
    if settings:
        words = ",".join(f"{key}={value}" for key, value in settings.items())
        role.args = [shell, command.replace("torchrun ", f"torchrun --rdzv_conf {words} ", 1)]
