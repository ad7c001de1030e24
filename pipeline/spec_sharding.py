"""The spec's section on how tables are spread over ranks."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from pipeline.spec_section import Lax, Section

ShardingType = Literal[
    "data_parallel",
    "table_wise",
    "column_wise",
    "row_wise",
    "table_row_wise",
    "table_column_wise",
    "grid",
]
Kernel = Literal["dense", "fused", "fused_uvm", "fused_uvm_caching"]


class ShardingRule(Section):
    """What the planner may do with some tables. A table follows the first rule that names it.

    Attributes:
        tables: a glob on the table's name, such as ``user_*``; ``pipeline.plan`` prints the names.
        min_rows: the rule names no smaller table.
        max_rows: nor a larger one; 0 for any.
        type: the sharding types that the planner may choose from; none leaves ``sharding.type``.
        kernel: the compute kernels that it may choose from; none leaves ``dense`` for
            ``data_parallel`` and ``fused`` for all others. ``fused_uvm`` keeps the table in the
            host's memory, ``fused_uvm_caching`` its busy rows on the device too: both need CUDA.
        min_columns: the narrowest part that column-wise types may cut.
        cache_load_factor: share of the table's rows that ``fused_uvm_caching`` keeps on the device.
    """

    tables: Annotated[str, Field(min_length=1)] = "*"
    min_rows: NonNegativeInt = 0
    max_rows: NonNegativeInt = 0
    type: Annotated[tuple[ShardingType, ...], Lax] = ()
    kernel: Annotated[tuple[Kernel, ...], Lax] = ()
    min_columns: Annotated[int, Field(ge=4, multiple_of=4)] = 4
    cache_load_factor: Annotated[float, Field(gt=0, le=1)] = 0.2

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if self.max_rows and self.max_rows < self.min_rows:
            raise ValueError(f"max_rows = {self.max_rows} is below min_rows = {self.min_rows}")
        if "dense" in self.kernel and any(kind != "data_parallel" for kind in self.type):
            raise ValueError("the kernel 'dense' is that of the type 'data_parallel' alone")
        if self.type == ("data_parallel",) and set(self.kernel) - {"dense"}:
            raise ValueError("the type 'data_parallel' has the kernel 'dense' alone")
        return self


class HardwareSpec(Section):
    """Figures of the hardware, where they are to be others than those found or known.

    Attributes:
        hbm_gib: memory of one device.
        ddr_gib: memory of one node, shared by its ranks.
        hbm_bandwidth: GB/s of a device to its own memory.
        ddr_bandwidth: GB/s of a rank to its node's memory.
        host_bandwidth: GB/s of a device to its node's memory, one way.
        intra_node_bandwidth: GB/s from one device to the others of its node, one way.
        inter_node_bandwidth: GB/s from one device to another node, one way.
    """

    hbm_gib: PositiveFloat | None = None
    ddr_gib: PositiveFloat | None = None
    hbm_bandwidth: PositiveFloat | None = None
    ddr_bandwidth: PositiveFloat | None = None
    host_bandwidth: PositiveFloat | None = None
    intra_node_bandwidth: PositiveFloat | None = None
    inter_node_bandwidth: PositiveFloat | None = None


class ShardingSpec(Section):
    """How tables are spread over ranks, and what the ranks are taken to be.

    Attributes:
        type: ``auto`` leaves every table to TorchRec's planner; else one type for all.
        rules: for some tables, before ``type``.
        group_size: the ranks that share one copy of the sharded tables; 0 for all. Smaller groups
            have a copy each, averaged after every step (2D parallelism).
        communication: the precision in which embeddings and their gradients travel between ranks.
            ``fp16`` and ``bf16`` halve the bytes; what is learnt is then close, not equal. Under
            ``fp16`` gradients travel in ``bf16``, because many are too small for fp16; over gloo,
            which has no ``bf16``, they stay in ``fp32``.
        reserved_share: of the memory, kept from the tables for the dense part and the batches.
        hardware: see there.
    """

    type: Literal["auto", ShardingType] = "auto"
    rules: Annotated[tuple[ShardingRule, ...], Lax] = ()
    group_size: NonNegativeInt = 0
    communication: Literal["fp32", "fp16", "bf16"] = "fp32"
    reserved_share: Annotated[float, Field(ge=0, lt=1)] = 0.15
    hardware: HardwareSpec = HardwareSpec()
