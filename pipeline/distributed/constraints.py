"""Which sharding types and kernels each table may have, by the spec's rules."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from torchrec.distributed.planner.constants import MIN_CW_DIM
from torchrec.distributed.planner.types import ParameterConstraints
from torchrec.distributed.types import CacheParams

from pipeline.console import InputError
from pipeline.distributed.hardware import Cluster
from pipeline.distributed.optimizer_settings import check_optimizer
from pipeline.distributed.part_widths import narrowest, types_for_cuda
from pipeline.distributed.sharding_group import ShardingGroup, sharding_group
from pipeline.distributed.table_optimizers import TABLE_OPTIMIZERS
from pipeline.model.tables import Table
from pipeline.spec import Spec
from pipeline.spec_sharding import Kernel, ShardingRule, ShardingType

TORCHREC_TYPES: dict[ShardingType, str] = {
    "data_parallel": "data_parallel",
    "table_wise": "table_wise",
    "column_wise": "column_wise",
    "row_wise": "row_wise",
    "table_row_wise": "table_row_wise",
    "table_column_wise": "table_column_wise",
    "grid": "grid_shard",
}
_ON_CUDA_ONLY = {"fused_uvm", "fused_uvm_caching"}


def table_constraints(
    spec: Spec, tables: Sequence[Table], cluster: Cluster
) -> dict[str, ParameterConstraints]:
    """What the planner may choose from, for every table by name.

    Raises:
        InputError: a rule names no table, or the device or the optimizer cannot do what is asked.
    """
    rules = _rules_of_tables(spec.sharding.rules, tables)
    group = sharding_group(spec.sharding, cluster)
    device = cluster.hardware.device
    found = {
        table.name: _constraints(table, rules.get(table.name), spec, group, device)
        for table in tables
    }
    if group.copies > 1:
        _check_copies(spec, found.values())
    return found


def _rules_of_tables(
    rules: Sequence[ShardingRule], tables: Sequence[Table]
) -> dict[str, tuple[str, ShardingRule]]:
    """The first rule that names each table, with its key in the spec."""
    found: dict[str, tuple[str, ShardingRule]] = {}
    for place, rule in enumerate(rules):
        key = f"sharding.rules.{place}"
        named = [table.name for table in tables if _names(rule, table)]
        left = [name for name in named if name not in found]
        if not left:
            examples = ", ".join(table.name for table in tables[:4])
            reason = (
                f"the rules before it name all of its {len(named)} tables; put it before them"
                if named
                else f"names no table; there are {len(tables)}, such as {examples}, with "
                f"{min(t.rows for t in tables):,} to {max(t.rows for t in tables):,} rows"
            )
            raise InputError(f"{key}: {reason}")
        found |= dict.fromkeys(left, (key, rule))
    return found


def _names(rule: ShardingRule, table: Table) -> bool:
    large_enough = table.rows >= rule.min_rows
    small_enough = not rule.max_rows or table.rows <= rule.max_rows
    return large_enough and small_enough and fnmatchcase(table.name, rule.tables)


def _constraints(
    table: Table,
    ruled: tuple[str, ShardingRule] | None,
    spec: Spec,
    group: ShardingGroup,
    device: str,
) -> ParameterConstraints:
    key, rule = ruled or ("sharding", ShardingRule())
    asked = rule.type or (() if spec.sharding.type == "auto" else (spec.sharding.type,))
    wanted = asked or _sensible_types(table, spec, group, device)
    for kind in wanted:
        _check_type(key, kind, table, spec, device)
    part = narrowest(table, asked, rule.min_columns, group)
    types = _cut_where_rows_suffice(wanted, table, group)
    if device == "cuda":
        types = types_for_cuda(key, types, table, part)
    kernels = rule.kernel or tuple(dict.fromkeys(_own_kernel(kind) for kind in types))
    _check_kernels(key, types, kernels, device)
    return ParameterConstraints(
        sharding_types=[TORCHREC_TYPES[kind] for kind in types],
        compute_kernels=list(kernels),
        min_partition=part,
        cache_params=CacheParams(load_factor=rule.cache_load_factor)
        if "fused_uvm_caching" in kernels
        else None,
    )


def _own_kernel(kind: ShardingType) -> Kernel:
    return "dense" if kind == "data_parallel" else "fused"


def _sensible_types(
    table: Table, spec: Spec, group: ShardingGroup, device: str
) -> tuple[ShardingType, ...]:
    """What ``auto`` leaves open: types under which the same is learnt.

    One rank holds whole tables: cutting rows into one part costs the time of sorting ids by part.
    TorchRec leaves parts of 128 columns or more, so narrower tables are not cut by columns.
    """
    known = TABLE_OPTIMIZERS[spec.embedding_optimizer.name]
    if device == "cpu" and known.replicated and not known.fused_on_cpu:
        return ("data_parallel",)
    if group.size == 1:
        return ("table_wise",)
    if known.mixes_columns or table.physical_columns < 2 * MIN_CW_DIM:
        return ("table_wise", "row_wise", "table_row_wise")
    return ("table_wise", "column_wise", "row_wise", "table_row_wise")


def _cut_where_rows_suffice(
    types: Sequence[ShardingType], table: Table, group: ShardingGroup
) -> tuple[ShardingType, ...]:
    """Whole tables in the place of cuts by rows that would leave a rank none.

    TorchRec cuts blocks of ceil(rows / ranks). On CPU, FBGEMM fails on a rank that holds no rows.
    """
    parts = {
        "row_wise": group.size,
        "table_row_wise": group.node_ranks,
        "grid": group.node_ranks,
    }
    block = {kind: -(-table.rows // count) for kind, count in parts.items()}
    return tuple(
        dict.fromkeys(
            "table_wise"
            if kind in parts and block[kind] * (parts[kind] - 1) >= table.rows
            else kind
            for kind in types
        )
    )


def _check_copies(spec: Spec, found: Iterable[ParameterConstraints]) -> None:
    """Refuses copies of nothing, and of tables whose rows are not where they can be averaged."""
    key = f"sharding.group_size = {spec.sharding.group_size}"
    kernels = {kernel for constraints in found for kernel in constraints.compute_kernels or []}
    refused = sorted(_ON_CUDA_ONLY & kernels)
    if refused:
        raise InputError(
            f"{key}: the kernel {refused[0]!r} keeps tables in the host's memory, and every step "
            "averages whole tables between groups; set it to 0, or leave the kernel out"
        )
    if kernels == {"dense"}:
        raise InputError(
            f"{key}: every table is data_parallel, so each rank has a copy already; leave it out, "
            "or shard some tables (sharding.type, embedding_optimizer.name)"
        )


def _check_type(key: str, kind: ShardingType, table: Table, spec: Spec, device: str) -> None:
    """Refuses what TorchRec or the embedding optimizer cannot do under a sharding type here."""
    if kind == "grid" and table.field.pooling == "mean":
        raise InputError(
            f"{key}: type = 'grid': TorchRec averages the bags of {table.name} wrongly under it; "
            "give that table a rule with another type, or its field pooling = 'sum'"
        )
    check_optimizer(key, kind, spec.embedding_optimizer, device)


def _check_kernels(
    key: str, types: Sequence[ShardingType], kernels: Sequence[Kernel], device: str
) -> None:
    refused = sorted(_ON_CUDA_ONLY & set(kernels))
    if refused and device == "cpu":
        raise InputError(f"{key}: the kernel {refused[0]!r} needs CUDA; leave it out on CPU")
    for kind in types:
        able = {"dense"} if kind == "data_parallel" else {"fused", *_ON_CUDA_ONLY}
        if not able & set(kernels):
            raise InputError(
                f"{key}: type = {kind!r} has none of the kernels {list(kernels)}; it has "
                f"{sorted(able)}"
            )
