"""Clipping, accumulation and schedules on two processes, against one."""

import pytest
from small_trainings import SpecMaker, finish, last_state, start_torchrun, train_here
from torch.testing import assert_close


@pytest.mark.parametrize(
    ("optimizer", "sharding", "clip_value"),
    [
        ("adam", "data_parallel", 0.0),
        pytest.param("adagrad", "row_wise", 1e-4, marks=pytest.mark.slow),
        pytest.param("sgd", "table_wise", 1e-4, marks=pytest.mark.slow),
    ],
)
def test_two_processes_make_the_steps_of_one(
    make_spec: SpecMaker, optimizer: str, sharding: str, clip_value: float
) -> None:
    """Norms and limits are of gradients by the global batch's mean loss, counted once."""
    schedule = {"warmup_steps": 4, "decay": "linear", "decay_steps": 8}
    table_settings = {"name": optimizer, "clip_value": clip_value, "schedule": schedule}
    sections = {
        "embedding_optimizer": {"learning_rate": 0.02, **table_settings},
        "dense_optimizer": {"name": "sgd", "learning_rate": 0.1, "schedule": schedule},
        "sharding": {"type": sharding},
        "train": {"batch_size": 128, "epochs": 1, "accumulate": 2, "clip_norm": 0.05},
    }
    one, two = make_spec("one", **sections), make_spec("two", **sections)
    finish(start_torchrun("pipeline.train", two, processes=2))
    train_here(one)
    expected, found = last_state(one), last_state(two)
    for key, values in expected.items():
        assert_close(found[key], values, rtol=1e-3, atol=1e-5)
