"""Tables in the host's memory, cached on the device, and half precision, as CUDA has them."""

import json
from typing import Any

import pytest
import torch
from small_trainings import SpecMaker, train_here

from pipeline.distributed.hardware import GIB, cluster_here
from pipeline.distributed.runtime import start_runtime
from pipeline.spec import Spec
from pipeline.spec_sharding import HardwareSpec
from pipeline.training.journal import read_journal
from pipeline.training.run_directory import RunDirectory

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


def losses(spec: Spec) -> list[float]:
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    return [point["loss"] for point in points if point["kind"] == "train"]


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


def test_the_planner_is_told_the_devices_own_memory() -> None:
    with start_runtime("cuda") as runtime:
        hardware = cluster_here(runtime, HardwareSpec()).hardware
    _, total = torch.cuda.mem_get_info()
    assert abs(hardware.hbm_bytes - total) < GIB
    assert hardware.device == "cuda"
