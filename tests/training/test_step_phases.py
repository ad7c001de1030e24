"""Where a step's time goes, and what is told of the training's state."""

import math
import time

import pytest
import torch
from small_trainings import SpecMaker, train_here

from pipeline.training.run_directory import RunDirectory, read_journal
from pipeline.training.step_phases import PHASES, StepPhases, what_limits


def test_time_goes_to_the_phase_that_is_marked_after_it() -> None:
    phases = StepPhases(torch.device("cpu"))
    for _ in range(2):
        phases.begin()
        time.sleep(0.02)
        phases.mark("forward")
        phases.mark("backward")
        phases.mark("optimizer")
        time.sleep(0.05)  # Between steps: nobody's.
    means = phases.means()
    assert 20 <= means["forward"] < 45
    assert means["backward"] + means["optimizer"] + means["data"] < 5
    assert phases.totals["forward"] == pytest.approx(2 * means["forward"] / 1e3)
    assert phases.means() == dict.fromkeys(PHASES, 0.0)


@pytest.mark.parametrize(
    ("largest", "word"),
    [
        ("data", "Limited by data"),
        ("input_distribution", "Limited by communication"),
        ("backward", "Limited by computing"),
        ("optimizer", "Limited by the optimizer"),
    ],
)
def test_the_summary_names_what_took_the_time(largest: str, word: str) -> None:
    assert word in what_limits({**dict.fromkeys(PHASES, 1.0), largest: 10.0}, processes=2)


def test_one_process_is_not_told_to_use_fewer() -> None:
    told = what_limits({**dict.fromkeys(PHASES, 1.0), "input_distribution": 10.0}, processes=1)
    assert "Limited by computing" in told


def test_on_cuda_every_mark_is_of_the_stream_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    current, recorded = ["computes"], []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self, stream: str | None = None) -> None:
            recorded.append(stream or current[0])

    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: current[0])
    monkeypatch.setattr(torch.cuda, "Event", Event)
    phases = StepPhases(torch.device("cuda"))
    phases.begin()
    current[0] = "copies"
    assert next(phases.waiting(iter([])), None) is None
    assert recorded == ["computes"] * 3


@pytest.mark.parametrize("pipeline", ["overlapped", "plain"])
def test_the_phases_of_a_training_add_up_to_its_steps(
    make_spec: SpecMaker, capsys: pytest.CaptureFixture[str], pipeline: str
) -> None:
    spec = make_spec(train={"pipeline": pipeline, "epochs": 1, "log_every": 4})
    train_here(spec)
    directory = RunDirectory(spec.run_directory)
    points = [one for one in read_journal(directory.journal_file) if one["kind"] == "train"]
    assert len(points) == 3
    for point in points[1:]:
        assert all(point["phase_ms"][phase] > 0 for phase in PHASES)
        step_ms = 1e3 * 1600 / 13 / point["samples_per_second"]
        assert 0.7 * step_ms < sum(point["phase_ms"].values()) < 1.05 * step_ms
        assert math.isfinite(point["gradient_norm"])
        assert point["gradient_norm"] > 0
        assert point["weight_norm"] > 0
        assert point["memory_mib"]["rank 0"] > 100
    assert "time a step: data " in capsys.readouterr().out


def test_a_training_that_is_taken_up_at_its_end_says_nothing_of_steps(
    make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec(train={"epochs": 1})
    train_here(spec)
    RunDirectory(spec.run_directory).record_file.unlink()
    capsys.readouterr()
    train_here(spec)
    told = capsys.readouterr().out
    assert "trained 13 steps" in told
    assert "time a step" not in told
