"""One forward and backward pass through DistributedModelParallel; run in a process of its own.

Prints the device, the fbgemm library that was loaded, and how the loss has fallen.
"""

from pathlib import Path

import fbgemm_gpu
import torch
import torch.distributed as dist
from fbgemm_gpu.split_embedding_configs import EmbOptimType
from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder
from torchrec.distributed.model_parallel import DistributedModelParallel
from torchrec.distributed.planner import EmbeddingShardingPlanner, Topology
from torchrec.distributed.planner.stats import NoopEmbeddingStats
from torchrec.distributed.planner.types import ParameterConstraints
from torchrec.modules.embedding_configs import EmbeddingBagConfig
from torchrec.modules.embedding_modules import EmbeddingBagCollection
from torchrec.sparse.jagged_tensor import KeyedJaggedTensor


def main() -> None:
    """Two steps on one table; the loss must fall."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    table = EmbeddingBagConfig(
        name="table", embedding_dim=8, num_embeddings=100, feature_names=["field"]
    )
    fused = {"optimizer": EmbOptimType.EXACT_SGD, "learning_rate": 0.5}
    collection = EmbeddingBagCollection(tables=[table], device=torch.device("meta"))
    sharder = EmbeddingBagCollectionSharder(fused_params=fused)
    # Sharded, so that FBGEMM's kernel with the optimizer inside is what is tried.
    planner = EmbeddingShardingPlanner(
        topology=Topology(world_size=1, compute_device=device.type),
        constraints={"table": ParameterConstraints(sharding_types=["table_wise"])},
        stats=NoopEmbeddingStats(),
    )
    plan = planner.plan(collection, [sharder])
    module = DistributedModelParallel(collection, device=device, plan=plan, sharders=[sharder])
    features = KeyedJaggedTensor.from_lengths_sync(
        keys=["field"], values=torch.arange(16), lengths=torch.ones(16, dtype=torch.int64)
    ).to(device)
    losses = []
    for _ in range(2):
        loss = (module(features).values() - 1).square().mean()
        loss.backward()
        losses.append(loss.item())
    dist.destroy_process_group()
    if not losses[1] < losses[0]:
        raise SystemExit(f"the loss did not fall: {losses[0]:.4f}, then {losses[1]:.4f}")
    library = Path(fbgemm_gpu.__file__).parent
    print(f"{device.type}, {library}, loss {losses[0]:.3f} to {losses[1]:.3f}")


if __name__ == "__main__":
    main()
