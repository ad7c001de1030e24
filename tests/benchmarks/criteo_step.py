"""A training step on Criteo's fields and the least work that it takes, on CPU or CUDA."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

from pipeline.data.batch import Batch
from pipeline.data.manifest import Field
from pipeline.distributed.runtime import Runtime
from pipeline.distributed.sharding import shard_model
from pipeline.model.click_task import ClickTask
from pipeline.model.multi_embedding import MultiEmbedding
from pipeline.spec import Spec
from pipeline.training.optimizers import build_optimizers
from pipeline.training.pipelines import build_pipeline

# Criteo's cardinalities after the paper's preparation.
CARDINALITIES = [
    *(49, 101, 126, 45, 223, 118, 84, 76, 95, 9, 30, 40, 75),
    *(1458, 555, 193949, 138801, 306, 19, 11970, 634, 4, 42646, 5178, 192773, 3175, 27),
    *(11422, 181075, 11, 4654, 2032, 5, 189657, 18, 16, 59697, 86, 45571),
]
FIELDS = [Field(f"f{place}", "categorical", rows) for place, rows in enumerate(CARDINALITIES)]


@dataclass(frozen=True)
class StepFigures:
    """What a step takes.

    Attributes:
        seconds: the median.
        flops: of its matrix products, forward and backward.
        bytes_moved: that embeddings and the dense optimizer must move.
        dense: parameters that are not embeddings.
    """

    seconds: float
    flops: int
    bytes_moved: int
    dense: int


def step_spec(
    interaction: str, sets: int, embedding_dim: int, precision: str, device: str, rows: int
) -> Spec:
    """Row-sparse Adagrad on the tables, Adam on the dense part, one process."""
    return Spec.model_validate(
        {
            "run": {"directory": "unused"},
            "data": {"format": "criteo", "source": "unused"},
            "model": {"interaction": interaction, "sets": sets, "embedding_dim": embedding_dim},
            "embedding_optimizer": {"name": "adagrad", "learning_rate": 0.01},
            # The planner's row-wise sharding is of no use to one process.
            "sharding": {"type": "table_wise"},
            "train": {"precision": precision, "device": device, "batch_size": rows},
        }
    )


def measure_step(spec: Spec, runtime: Runtime, warm_up: int, steps: int) -> StepFigures:
    """Times steps of the spec's model on ready batches."""
    rows = spec.train.batch_size
    torch.manual_seed(0)
    model = MultiEmbedding(FIELDS, spec.model, spec.train.precision, torch.device("meta"))
    parameters = model.count_parameters()
    sharded = shard_model(ClickTask(model, spec.model), spec, runtime, None)
    optimizers = build_optimizers(sharded, spec)
    pipeline = build_pipeline(
        spec.train.pipeline, sharded.module, optimizers.combined, runtime.device
    )
    batches = ready_batches(rows, runtime.device)
    seconds = [
        timed(lambda: pipeline.progress(batches), runtime.device) for _ in range(warm_up + steps)
    ]
    with FlopCounterMode(display=False) as counter:
        pipeline.progress(batches)
    columns = sum(table.columns for table in sharded.tables)
    # Rows read, pooled, their gradients read, weights and Adagrad's sums read and written.
    embedding_bytes = 7 * 4 * rows * columns
    # Adam reads weight, gradient and two moments, and writes all but the gradient.
    dense_bytes = 7 * 4 * parameters.dense
    return StepFigures(
        statistics.median(seconds[warm_up:]),
        counter.get_total_flops(),
        embedding_bytes + dense_bytes,
        parameters.dense,
    )


def ready_batches(rows: int, device: torch.device) -> Iterator[Batch]:
    """Four batches in turn, with ids as skewed as those of clicks; pinned for CUDA."""
    rng = np.random.default_rng(0)
    ready = []
    for _ in range(4):
        ids = [np.minimum(rng.zipf(1.2, rows) - 1, count - 1) for count in CARDINALITIES]
        features = KeyedJaggedTensor.from_lengths_sync(
            keys=[field.name for field in FIELDS],
            values=torch.from_numpy(np.concatenate(ids)),
            lengths=torch.ones(rows * len(FIELDS), dtype=torch.int64),
        )
        batch = Batch(features, (torch.rand(1, rows) < 0.3).float(), torch.ones(rows))
        ready.append(batch.pin_memory() if device.type == "cuda" else batch)
    while True:
        yield from ready


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds until the work, and what it queued on the device, is done."""
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def matrix_rate(precision: str, device: torch.device, rows: int) -> float:
    """FLOP/s of the products of four sets of Criteo's width, the best of some."""
    kind = torch.float32 if precision == "fp32" else torch.bfloat16
    inputs = torch.randn(4, rows, 400, dtype=kind, device=device)
    weights = torch.randn(4, 400, 400, dtype=kind, device=device)
    torch.bmm(inputs, weights)
    best = min(timed(lambda: torch.bmm(inputs, weights), device) for _ in range(8))
    return 2 * 4 * rows * 400 * 400 / best


def bandwidth(device: torch.device) -> float:
    """Bytes/s read and written by a copy that no cache holds, the best of some."""
    source = torch.ones(1 << 26, device=device)
    target = torch.empty_like(source)
    best = min(timed(lambda: target.copy_(source), device) for _ in range(5))
    return 2 * 4 * source.numel() / best
