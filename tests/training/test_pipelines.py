"""The overlapped and the plain pipeline, compiled and deterministic: the same training."""

import os

import pytest
import torch
from small_trainings import SpecMaker, run_stage, train_here

from pipeline.console import InputError
from pipeline.distributed.runtime import start_runtime
from pipeline.spec import Spec
from pipeline.training.run_directory import RunDirectory, read_journal


def losses(spec: Spec) -> list[float]:
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    return [point["loss"] for point in points if point["kind"] in ("train", "valid")]


def test_the_plain_pipeline_learns_what_the_overlapped_one_learns(make_spec: SpecMaker) -> None:
    overlapped, plain = (
        make_spec(kind, train={"pipeline": kind, "validate_every": 6, "patience": 9})
        for kind in ("overlapped", "plain")
    )
    train_here(overlapped)
    train_here(plain)
    assert len(losses(plain)) == 2 * 13 + 5
    assert losses(plain) == losses(overlapped)


@pytest.mark.slow
def test_so_it_does_on_two_processes(make_spec: SpecMaker) -> None:
    overlapped, plain = (
        make_spec(kind, train={"pipeline": kind, "epochs": 1}, sharding={"type": "row_wise"})
        for kind in ("overlapped", "plain")
    )
    run_stage("pipeline.train", overlapped, 2)
    run_stage("pipeline.train", plain, 2)
    assert losses(plain) == pytest.approx(losses(overlapped), abs=1e-6)


@pytest.mark.slow
def test_the_compiled_dense_part_learns_what_the_eager_one_learns(make_spec: SpecMaker) -> None:
    eager, compiled = (
        make_spec(str(chosen), model={"head": "gate"}, train={"compile": chosen, "epochs": 1})
        for chosen in (False, True)
    )
    train_here(eager)
    train_here(compiled)
    assert losses(compiled) == pytest.approx(losses(eager), abs=1e-5)


def test_compiling_without_a_compiler_is_refused_in_one_line(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match="'no-such-compiler' is not found; install it"):
        train_here(make_spec(train={"compile": True}))


def test_deterministic_training_repeats_itself_to_the_bit(
    make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    settings = {"deterministic": True, "epochs": 1}
    first, second = (make_spec(name, train=settings) for name in ("first", "second"))
    train_here(first)
    train_here(second)
    assert losses(first) == losses(second)


def test_deterministic_means_no_kernel_that_is_not_and_no_tf32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with start_runtime("cpu", deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
    with start_runtime("cpu"):
        assert not torch.are_deterministic_algorithms_enabled()
