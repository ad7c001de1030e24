"""Tables in the host's memory, cached on the device, and half precision, as CUDA has them."""

import json
from typing import Any

import pytest
import torch
from small_trainings import SpecMaker, finish, losses, start_torchrun, train_here

from pipeline.distributed.hardware import GIB, cluster_here
from pipeline.distributed.runtime import start_runtime
from pipeline.spec_sharding import HardwareSpec
from pipeline.training.run_directory import RunDirectory

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


@pytest.mark.parametrize("kernel", ["fused_uvm", "fused_uvm_caching"])
@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
def test_tables_outside_the_devices_memory_learn_the_same(
    make_spec: SpecMaker, kernel: str, optimizer: str
) -> None:
    """A cache of a tenth of the rows is far smaller than a batch's, so that rows come and go."""
    sections: dict[str, Any] = {
        "embedding_optimizer": {"name": optimizer, "learning_rate": 0.02},
        "train": {"device": "cuda", "epochs": 2},
    }
    rule = {"kernel": [kernel], "cache_load_factor": 0.1}
    inside = make_spec("inside", **sections)
    outside = make_spec("outside", **sections, sharding={"rules": [rule]})
    train_here(inside)
    train_here(outside)
    record = json.loads(RunDirectory(outside.run_directory).plan_record_file.read_text())
    placed = record["modules"]["model.embedding_sets.collection"].values()
    assert {table["kernel"] for table in placed} == {kernel}
    assert losses(outside) == pytest.approx(losses(inside), abs=1e-4)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="torch finds fewer than two GPUs")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_two_gpus_with_a_copy_each_learn_together(make_spec: SpecMaker, optimizer: str) -> None:
    """By SGD they learn what one learns; Adam has moments to average that Adagrad has not."""
    sections: dict[str, Any] = {
        "embedding_optimizer": {"name": optimizer, "learning_rate": 0.02},
        "dense_optimizer": {"name": "sgd", "learning_rate": 0.1},
        "train": {"device": "cuda", "epochs": 1},
    }
    one = make_spec("one", **sections, sharding={"type": "table_wise"})
    two = make_spec("two", **sections, sharding={"type": "table_wise", "group_size": 1})
    finish(start_torchrun("pipeline.train", two, processes=2))
    train_here(one)
    assert losses(two) == pytest.approx(losses(one), abs=1e-4 if optimizer == "sgd" else 0.1)


def test_the_planner_is_told_the_devices_own_memory() -> None:
    with start_runtime("cuda") as runtime:
        hardware = cluster_here(runtime, HardwareSpec()).hardware
    _, total = torch.cuda.mem_get_info()
    assert abs(hardware.hbm_bytes - total) < GIB
    assert hardware.device == "cuda"
