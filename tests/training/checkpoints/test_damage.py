"""A damaged checkpoint is skipped with a warning, and one of something else is refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from small_trainings import SpecMaker, last_state, train_here

from pipeline.console import InputError
from pipeline.distributed.runtime import start_runtime
from pipeline.spec import Spec
from pipeline.training.checkpoints.directories import whole_checkpoints
from pipeline.training.checkpoints.loading import load_model
from pipeline.training.run_directory import RunDirectory
from pipeline.training.setup import Training


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def change_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100] ^= 0xFF
    path.write_bytes(bytes(data))


def begin_again(spec: Spec) -> None:
    """Makes a finished training look like one that was killed after its last checkpoint."""
    RunDirectory(spec.run_directory).record_file.unlink()


def checkpoints(spec: Spec) -> list[Path]:
    return whole_checkpoints(RunDirectory(spec.run_directory).checkpoints)


@pytest.mark.parametrize(
    ("file", "damage", "reason"),
    [
        ("model-0.bin", cut_short, r"model-0\.bin has [\d,]+ bytes instead of [\d,]+"),
        ("optimizers-0.bin", change_a_byte, r"optimizers-0\.bin holds other bytes than"),
        ("model-0.bin", Path.unlink, r"model-0\.bin: No such file or directory"),
        ("checkpoint.json", cut_short, r"checkpoint\.json is broken"),
        ("checkpoint.json", lambda path: path.write_text('{"format": 1}'), "json is broken"),
        ("checkpoint.json", lambda path: path.write_text('{"format": 99}'), "format is 99"),
        ("checkpoint.json", Path.unlink, r"checkpoint\.json: No such file or directory"),
    ],
)
def test_a_damaged_checkpoint_is_skipped_for_the_one_before(
    trained: Spec,
    capfd: pytest.CaptureFixture[str],
    file: str,
    damage: Callable[[Path], object],
    reason: str,
) -> None:
    expected = last_state(trained)
    newest = checkpoints(trained)[-1]
    damage(newest / file)
    begin_again(trained)
    train_here(trained)
    printed = capfd.readouterr()
    assert re.search(f"warning: {newest}: damaged and skipped .*{reason}", printed.err)
    assert "step-0000000012: epoch 1, step 12" in printed.out
    assert newest.with_name(newest.name + ".damaged").is_dir()
    found = last_state(trained)
    assert all(found[name].equal(tensor) for name, tensor in expected.items())


def test_the_best_model_is_the_one_remembered_after_a_fall_back_to_before_it(
    make_spec: SpecMaker,
) -> None:
    spec = make_spec(train={"epochs": 2, "keep_checkpoints": 9, "monitor": "logloss"})
    train_here(spec)
    first, second = checkpoints(spec)
    cut_short(second / "model-0.bin")
    # As if the first epoch's were never reached again: that model made way for the second's.
    record = json.loads((first / "checkpoint.json").read_text())
    record["progress"]["stopping"]["best"] = 0.001
    (first / "checkpoint.json").write_text(json.dumps(record))
    begin_again(spec)
    train_here(spec)
    directory = RunDirectory(spec.run_directory)
    kept = json.loads((directory.best / "checkpoint.json").read_text())["progress"]
    found = directory.read_record()
    assert found is not None
    assert found["facts"]["best_epoch"] == kept["stopping"]["best_epoch"] + 1 == 2


def test_when_all_are_damaged_each_is_named_and_none_is_touched(trained: Spec) -> None:
    found = checkpoints(trained)
    for path in found:
        cut_short(path / "model-0.bin")
    begin_again(trained)
    with pytest.raises(InputError, match="no checkpoint can be read") as raised:
        train_here(trained)
    assert all(path.name in str(raised.value) for path in found)
    assert checkpoints(trained) == found


def test_a_checkpoint_of_another_spec_is_refused_with_what_differs(
    trained: Spec, make_spec: SpecMaker
) -> None:
    begin_again(trained)
    other = make_spec(model={"sets": 3}, train={"epochs": 1})
    with pytest.raises(InputError, match=r"another spec \(model\.sets was 2, is 3\); set it back"):
        train_here(other)


def test_another_model_is_told_which_tensor_differs(
    trained: Spec, build: Callable[..., Training]
) -> None:
    with start_runtime("cpu") as runtime:
        module = build(runtime, model={"hidden_dim": 8}).model.module
        wanted = r"model\.\S+ is 2 x 1 x 8 in this model, 2 x 1 x 16 in the checkpoint"
        with pytest.raises(InputError, match=wanted):
            load_model(checkpoints(trained)[-1], module, runtime)


def test_a_damaged_best_model_is_not_evaluated(
    trained: Spec, build: Callable[..., Training]
) -> None:
    best = RunDirectory(trained.run_directory).best
    change_a_byte(best / "model-0.bin")
    with start_runtime("cpu") as runtime:
        module = build(runtime).model.module
        with pytest.raises(InputError, match=r"best: the checkpoint does not load: model-0\.bin"):
            load_model(best, module, runtime)
