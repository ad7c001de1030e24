"""bf16 is said to be slow where the processor only imitates it."""

import pytest
import torch

from pipeline.training.precision import describe_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_bf16"])
def test_nothing_is_said_of_cores_with_bf16_instructions(instructions: str) -> None:
    has = {"architecture": "x86_64", instructions: True}
    assert describe_precision("bf16", CPU, has) == "precision: bf16"


def test_cores_without_them_are_told_to_take_float32() -> None:
    has = {"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": False}
    assert "train.precision = 'fp32' is many times faster here" in describe_precision(
        "bf16", CPU, has
    )


@pytest.mark.parametrize("architecture", ["aarch64", None])
def test_nothing_is_said_of_cores_that_are_not_known(architecture: str | None) -> None:
    assert describe_precision("bf16", CPU, {"architecture": architecture}) == "precision: bf16"


def test_neither_float32_nor_a_gpu_asks_for_the_cpus_instructions() -> None:
    assert describe_precision("fp32", CPU, {"architecture": "x86_64"}) == "precision: fp32"
    assert describe_precision("bf16", CUDA, {"architecture": "x86_64"}) == "precision: bf16"


def test_torch_names_the_instructions_as_they_are_looked_up() -> None:
    has = torch.cpu.get_capabilities()
    if has["architecture"] != "x86_64":
        pytest.skip("x86 alone is told apart")
    assert {"avx512_bf16", "amx_bf16"} <= has.keys()
