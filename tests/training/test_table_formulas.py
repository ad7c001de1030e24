"""Every embedding optimizer makes the steps of its formula, in float64, 100 of them.

Rows repeat inside a batch and inside a bag: a row steps once, by the sum. The formulas are those of
FBGEMM's documentation (split_table_batched_embeddings_ops_training.py, ``weight_decay``) and of
torch.optim's.
"""

from typing import Any

import numpy as np
import pytest
import torch
from small_trainings import SpecMaker
from table_steps import BETA1, BETA2, Formula, Step, check_steps

from pipeline.spec import Spec

STEPS = 100
ON_CUDA = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


def sgd(step: Step) -> None:
    step.weight -= step.rate * step.gradient


def adagrad(step: Step) -> None:
    squares = step.moments[0]
    squares += step.gradient**2
    step.weight -= step.rate * step.gradient / (np.sqrt(squares) + step.eps)


def rowwise_adagrad(step: Step) -> None:
    """The mean is over the columns as stored. Weight decay is L2, of the rows that occur."""
    gradient = step.gradient + step.decay * step.weight * step.seen[:, None]
    squares = step.moments[0, :, :1]
    squares += (gradient**2).mean(axis=1, keepdims=True)
    step.weight -= step.rate * gradient / (np.sqrt(squares) + step.eps)


def _adam_means(step: Step, square: np.ndarray) -> np.ndarray:
    """The step's direction, bias corrected by the number of the step, of rows that occur."""
    mean, second = step.moments
    mean[step.seen] = BETA1 * mean[step.seen] + (1 - BETA1) * step.gradient[step.seen]
    second[step.seen] = BETA2 * second[step.seen] + (1 - BETA2) * square[step.seen]
    corrected = np.sqrt(second / (1 - BETA2**step.number)) + step.eps
    return mean / (1 - BETA1**step.number) / corrected


def lazy_adam(step: Step) -> None:
    """Only rows that occur move and only their moments decay; weight decay is decoupled."""
    direction = _adam_means(step, step.gradient**2) + step.decay * step.weight
    step.weight[step.seen] -= step.rate * direction[step.seen]


def partial_rowwise_adam(step: Step) -> None:
    """Adam with one second moment a row, the mean over the columns as stored."""
    square = (step.gradient**2).mean(axis=1, keepdims=True) + np.zeros_like(step.gradient)
    direction = _adam_means(step, square) + step.decay * step.weight
    step.weight[step.seen] -= step.rate * direction[step.seen]


def lamb(step: Step) -> None:
    """Adam's step, weight decay included, as long as the row (You et al., 2020, Algorithm 2)."""
    direction = _adam_means(step, step.gradient**2) + step.decay * step.weight
    for row in np.flatnonzero(step.seen):
        ratio = np.linalg.norm(step.weight[row]) / np.linalg.norm(direction[row])
        step.weight[row] -= step.rate * ratio * direction[row]


def every_row(formula: Formula) -> Formula:
    """torch's: each row steps at each step, its weight decay is L2 in the gradient."""

    def step_all(step: Step) -> None:
        gradient = step.gradient + step.decay * step.weight
        all_rows = np.ones_like(step.seen)
        formula(
            Step(
                step.weight, gradient, all_rows, step.number, step.rate, step.eps, 0.0, step.moments
            )
        )

    return step_all


def spec_of(make_spec: SpecMaker, sharding: str, **optimizer: Any) -> Spec:
    """Two packed sets of 5: 10 columns, stored as 12."""
    chosen = {"learning_rate": 0.05, "eps": 1e-3, **optimizer}
    return make_spec(embedding_optimizer=chosen, sharding={"type": sharding})


@pytest.mark.parametrize(
    ("name", "formula"),
    [("sgd", sgd), ("adagrad", adagrad), ("rowwise_adagrad", rowwise_adagrad)],
)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=ON_CUDA)])
def test_fused_optimizers_step_by_their_formulas(
    make_spec: SpecMaker, device: str, name: str, formula: Formula
) -> None:
    check_steps(spec_of(make_spec, "table_wise", name=name), device, formula, STEPS)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        pytest.param("adam", lazy_adam, marks=ON_CUDA),
        pytest.param("partial_rowwise_adam", partial_rowwise_adam, marks=ON_CUDA),
        pytest.param("lamb", lamb, marks=ON_CUDA),
        pytest.param("rowwise_adagrad", rowwise_adagrad, marks=ON_CUDA),
    ],
)
@pytest.mark.parametrize("weight_decay", [0.0, 0.03])
def test_optimizers_that_only_cuda_has_step_by_their_formulas(
    make_spec: SpecMaker, name: str, formula: Formula, weight_decay: float
) -> None:
    spec = spec_of(make_spec, "table_wise", name=name, weight_decay=weight_decay)
    check_steps(spec, "cuda", formula, STEPS)


@pytest.mark.parametrize(
    ("name", "formula"), [("sgd", sgd), ("adagrad", adagrad), ("adam", lazy_adam)]
)
@pytest.mark.parametrize("weight_decay", [0.0, 0.03])
def test_optimizers_of_replicated_tables_step_every_row(
    make_spec: SpecMaker, name: str, formula: Formula, weight_decay: float
) -> None:
    spec = spec_of(make_spec, "data_parallel", name=name, weight_decay=weight_decay)
    check_steps(spec, "cpu", every_row(formula), STEPS)


@pytest.mark.parametrize(
    ("name", "formula"),
    [("sgd", sgd), ("adagrad", adagrad), ("rowwise_adagrad", rowwise_adagrad)],
)
def test_clip_value_limits_each_element_of_the_gradient_by_an_embedding(
    make_spec: SpecMaker, name: str, formula: Formula
) -> None:
    check_steps(spec_of(make_spec, "table_wise", name=name, clip_value=0.4), "cpu", formula, 20)


@pytest.mark.parametrize(
    ("sharding", "name", "formula"),
    [("table_wise", "adagrad", adagrad), ("data_parallel", "adam", every_row(lazy_adam))],
)
def test_tables_step_at_the_rate_of_the_schedule(
    make_spec: SpecMaker, sharding: str, name: str, formula: Formula
) -> None:
    schedule = {"warmup_steps": 2, "decay": "step", "decay_steps": 2, "decay_factor": 0.5}
    spec = spec_of(make_spec, sharding, name=name, learning_rate=0.4, schedule=schedule)
    rates = [0.2, 0.4, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1]
    check_steps(spec, "cpu", formula, len(rates), rates)


def test_replicated_and_sharded_tables_of_one_model_step_alike(make_spec: SpecMaker) -> None:
    rules = [{"tables": "large*", "type": ["data_parallel"]}, {"type": ["table_wise"]}]
    schedule = {"warmup_steps": 4}
    optimizer = {"name": "adagrad", "learning_rate": 0.4, "eps": 1e-3, "schedule": schedule}
    spec = make_spec(embedding_optimizer=optimizer, sharding={"rules": rules})
    check_steps(spec, "cpu", adagrad, 6, rates=[0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
