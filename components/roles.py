"""What the components are made of: a Python process, or torchrun's processes on every node."""

from collections.abc import Mapping, Sequence

from torchx.specs import AppDef, Resource, Role, parse_mounts

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


def nodes_and_processes(j: str | None, resource: Resource, on_cpu: int) -> str:
    """``j``, or where it is not said: one node, and on it a process a GPU or ``on_cpu`` of them."""
    return j or f"1x{int(resource.gpu) or on_cpu}"


def with_rendezvous(app: AppDef, settings: Mapping[str, str] | None) -> AppDef:
    """Adds the rendezvous's settings to torchrun's command: dist.ddp has no argument for them."""
    (role,) = app.roles
    shell, command = role.args
    if settings:
        words = ",".join(f"{key}={value}" for key, value in settings.items())
        role.args = [shell, command.replace("torchrun ", f"torchrun --rdzv_conf {words} ", 1)]
    return app
