"""The optimizers of a sharded model: one for the embedding tables, one for everything else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torchrec.optim.keyed import CombinedOptimizer, KeyedOptimizer, KeyedOptimizerWrapper
from torchrec.optim.optimizers import in_backward_optimizer_filter

from pipeline.distributed.sharding import ShardedModel
from pipeline.spec import Spec
from pipeline.spec_training import DenseOptimizerSpec, EmbeddingOptimizerSpec
from pipeline.training.stepping import ScheduledStep
from pipeline.training.table_updates import TableUpdates, table_updates

_TABLES = ".embedding_sets."
Build = Callable[[Sequence[torch.Tensor]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Optimizers:
    """Both optimizers of a model.

    Attributes:
        combined: steps both, as the spec has it; what a train pipeline steps.
        embedding: the tables' optimizer, of sharded and replicated ones together.
        dense: that of all other parameters.
        semantics: see ``table_updates``. Information abundance is not comparable between them.
    """

    combined: ScheduledStep
    embedding: KeyedOptimizer
    dense: KeyedOptimizer
    semantics: TableUpdates


def build_optimizers(model: ShardedModel, spec: Spec) -> Optimizers:
    """The optimizers that the spec names, for a model that is sharded already."""
    module = model.module
    parameters = dict(in_backward_optimizer_filter(module.named_parameters()))
    replicated = {name: value for name, value in parameters.items() if _TABLES in name}
    rest = {name: value for name, value in parameters.items() if _TABLES not in name}
    dense = KeyedOptimizerWrapper(rest, _dense_builder(spec.dense_optimizer))
    _create_state(dense)
    fused: KeyedOptimizer = module.fused_optimizer
    embedding = fused
    if replicated:
        tables = KeyedOptimizerWrapper(replicated, _table_builder(spec.embedding_optimizer))
        _create_state(tables)
        embedding = CombinedOptimizer([fused, tables])
    combined = ScheduledStep(embedding, dense, fused, list(parameters.values()), spec)
    semantics = table_updates(spec, len(replicated), len(model.tables))
    return Optimizers(combined, embedding, dense, semantics)


@torch.no_grad()
def _create_state(optimizer: KeyedOptimizer) -> None:
    """Makes the moments that torch would make at the first step, so that a checkpoint fills them.

    A step of length zero makes them; then they are set to zero, where torch starts them all.
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    for moments in optimizer.state.values():
        for moment in moments.values():
            moment.zero_()


def _dense_builder(spec: DenseOptimizerSpec) -> Build:
    settings: dict[str, Any] = {"lr": spec.learning_rate, "weight_decay": spec.weight_decay}
    builders: dict[str, Build] = {
        "adam": lambda parameters: torch.optim.Adam(parameters, fused=True, **settings),
        "adamw": lambda parameters: torch.optim.AdamW(parameters, fused=True, **settings),
        "sgd": lambda parameters: torch.optim.SGD(parameters, fused=True, **settings),
    }
    return builders[spec.name]


def _table_builder(spec: EmbeddingOptimizerSpec) -> Build:
    """For replicated tables: torch's own optimizers, which move every row at every step."""
    settings: dict[str, Any] = {"lr": spec.learning_rate, "weight_decay": spec.weight_decay}
    builders: dict[str, Build] = {
        "adam": lambda tables: torch.optim.Adam(tables, fused=True, eps=spec.eps, **settings),
        # Not fused: torch 2.11 has no fused Adagrad on CUDA.
        "adagrad": lambda tables: torch.optim.Adagrad(tables, eps=spec.eps, **settings),
        "sgd": lambda tables: torch.optim.SGD(tables, fused=True, **settings),
    }
    return builders[spec.name]
