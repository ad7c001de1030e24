"""A plan as JSON, for programs, and for a resumed training to take up again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.distributed._shard.metadata import ShardMetadata
from torchrec.distributed.planner.utils import placement as shard_placement
from torchrec.distributed.types import (
    CacheParams,
    EmbeddingModuleShardingPlan,
    EnumerableShardingSpec,
    ParameterSharding,
    ShardingPlan,
)

from pipeline.console import InputError
from pipeline.distributed.hardware import Cluster
from pipeline.model.tables import Table
from pipeline.spec import Spec


def plan_record(
    plan: ShardingPlan, spec: Spec, tables: Sequence[Table], cluster: Cluster
) -> dict[str, Any]:
    """The plan in plain values, with what it was made for."""
    modules = {
        path: {name: _table_record(placed) for name, placed in module.items()}
        for path, module in plan.plan.items()
        if isinstance(module, EmbeddingModuleShardingPlan)
    }
    return {"made_for": _made_for(spec, tables, cluster), "modules": modules}


def read_plan(
    path: Path | None, spec: Spec, tables: Sequence[Table], cluster: Cluster
) -> ShardingPlan | None:
    """The plan that a run has stored, if it was made for the same ranks, tables and settings.

    Raises:
        InputError: the file is not a plan.
    """
    if path is None or not path.exists():
        return None
    try:
        record = json.loads(path.read_text())
        if record["made_for"] != json.loads(json.dumps(_made_for(spec, tables, cluster))):
            return None
        return ShardingPlan(
            {name: _module_plan(module, cluster) for name, module in record["modules"].items()}
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a sharding plan: {error}; remove it for a new one") from None


def _made_for(spec: Spec, tables: Sequence[Table], cluster: Cluster) -> dict[str, Any]:
    return {
        "world_size": cluster.world_size,
        "node_ranks": cluster.node_ranks,
        "device": cluster.hardware.device,
        "optimizer": spec.embedding_optimizer.name,
        "sharding": spec.sharding.model_dump(mode="json", include={"type", "rules", "group_size"}),
        "tables": {table.name: [table.rows, table.physical_columns] for table in tables},
    }


def _table_record(placed: ParameterSharding) -> dict[str, Any]:
    spec, cache = placed.sharding_spec, placed.cache_params
    shards = [] if spec is None else spec.shards
    return {
        "type": placed.sharding_type,
        "kernel": placed.compute_kernel,
        "ranks": placed.ranks,
        "cache_load_factor": cache.load_factor if cache else None,
        "shards": [
            {
                "rank": shard.placement.rank(),
                "offset": list(shard.shard_offsets),
                "size": list(shard.shard_sizes),
            }
            for shard in shards
        ],
    }


def _module_plan(records: dict[str, Any], cluster: Cluster) -> EmbeddingModuleShardingPlan:
    module = EmbeddingModuleShardingPlan()
    for name, record in records.items():
        shards = [
            ShardMetadata(
                shard_offsets=shard["offset"],
                shard_sizes=shard["size"],
                placement=shard_placement(
                    cluster.hardware.device, shard["rank"], cluster.node_ranks
                ),
            )
            for shard in record["shards"]
        ]
        factor = record["cache_load_factor"]
        module[name] = ParameterSharding(
            sharding_type=record["type"],
            compute_kernel=record["kernel"],
            ranks=record["ranks"],
            sharding_spec=EnumerableShardingSpec(shards) if shards else None,
            cache_params=None if factor is None else CacheParams(load_factor=factor),
        )
    return module
