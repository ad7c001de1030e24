"""What a processor makes of the precision that a spec asks for."""

from collections.abc import Mapping

import torch

from pipeline.model.dense_part import Precision


def describe_precision(
    precision: Precision, device: torch.device, capabilities: Mapping[str, object] | None = None
) -> str:
    """The precision, and a warning where the processor only imitates it.

    A step of DCNv2 in bf16 took 80 times as long as in float32 on x86 cores with AVX2 alone.

    >>> describe_precision("bf16", torch.device("cpu"), {"architecture": "x86_64"})
    "precision: bf16; these cores have no instructions for it (avx512_bf16, amx_bf16), so that \
train.precision = 'fp32' is many times faster here"

    Args:
        precision: ``train.precision``.
        device: where the dense part computes.
        capabilities: those of the processor, by torch's names.
    """
    line = f"precision: {precision}"
    if precision == "fp32" or device.type != "cpu":
        return line
    has = torch.cpu.get_capabilities() if capabilities is None else capabilities
    # torch tells them of x86 by these names; what others are slow at has not been measured.
    if has.get("architecture") != "x86_64" or has.get("avx512_bf16") or has.get("amx_bf16"):
        return line
    return (
        f"{line}; these cores have no instructions for it (avx512_bf16, amx_bf16), so that "
        "train.precision = 'fp32' is many times faster here"
    )
