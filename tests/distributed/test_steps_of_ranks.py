"""Clipping, accumulation and schedules on two processes, against one."""

from typing import Any

import pytest
from small_trainings import SpecMaker, last_state, run_stage, train_here
from torch import allclose
from torch.testing import assert_close


@pytest.mark.parametrize(
    ("optimizer", "sharding", "clip_value"),
    [
        ("adam", "data_parallel", 0.0),
        pytest.param("adagrad", "row_wise", 1e-4, marks=pytest.mark.slow),
    ],
)
def test_two_processes_make_the_steps_of_one(
    make_spec: SpecMaker, optimizer: str, sharding: str, clip_value: float
) -> None:
    """Norms and limits are of gradients by the global batch's mean loss, counted once."""
    schedule = {"warmup_steps": 4, "decay": "linear", "decay_steps": 8}
    table_settings = {"name": optimizer, "clip_value": clip_value, "schedule": schedule}
    sections: dict[str, dict[str, Any]] = {
        "embedding_optimizer": {"learning_rate": 0.02, **table_settings},
        "dense_optimizer": {"name": "sgd", "learning_rate": 0.1, "schedule": schedule},
        "sharding": {"type": sharding},
        "train": {"batch_size": 128, "epochs": 1, "accumulate": 2, "clip_norm": 0.05},
    }
    one, two = make_spec("one", **sections), make_spec("two", **sections)
    free = {**sections["embedding_optimizer"], "clip_value": 0.0}
    unlimited = make_spec(
        "unlimited",
        **{**sections, "embedding_optimizer": free, "train": {**sections["train"], "clip_norm": 0}},
    )
    run_stage("pipeline.train", two, 2)
    train_here(one)
    train_here(unlimited)
    expected, found, free_state = (last_state(spec) for spec in (one, two, unlimited))
    for key, values in expected.items():
        assert_close(found[key], values, rtol=1e-3, atol=1e-5)
    # The limits were reached, by tables and the rest.
    weights = [key for key in expected if key.endswith("weight")]
    assert not any(allclose(expected[key], free_state[key], atol=1e-5) for key in weights)
