"""Accumulation and clipping of gradients, on the model's own batches."""

import shutil
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_trainings import SpecMaker, last_checkpoint, last_state, train_here

from pipeline.data.manifest import read_manifest
from pipeline.distributed.runtime import start_runtime
from pipeline.distributed.sharding import TABLE_KEY, local_parts
from pipeline.spec import Spec
from pipeline.training.checkpoints.directories import whole_checkpoints
from pipeline.training.checkpoints.rows import checkpoint_record, read_tensor
from pipeline.training.run_directory import RunDirectory
from pipeline.training.setup import Training, build_training, training_loader
from pipeline.training.step_state import norms

Weights = dict[str, np.ndarray]
# Steps as long as the gradient, so that the difference of weights is the gradient.
GRADIENT_STEPS = {
    "embedding_optimizer": {"name": "sgd", "learning_rate": 1.0},
    "dense_optimizer": {"name": "sgd", "learning_rate": 1.0},
}


def weights_of(training: Training) -> Weights:
    """All weights in float64, the tables' under the key that holds their name."""
    state = training.model.module.state_dict()
    return {
        key: next(local_parts(value))[0].detach().numpy().astype(np.float64)
        for key, value in state.items()
    }


def weights_by_step(spec: Spec, steps: int) -> list[Weights]:
    """The weights before the first step and after each."""
    manifest = read_manifest(spec.dataset_directory)
    with start_runtime("cpu") as runtime:
        training = build_training(spec, manifest, runtime)
        batches = training_loader(spec, manifest, runtime).epoch(0)
        found = [weights_of(training)]
        for step in range(steps):
            training.optimizers.combined.begin(step)
            training.pipeline.progress(batches)
            found.append(weights_of(training))
        return found


def norms_by_step(spec: Spec, steps: int) -> list[float | None]:
    """The gradient's norm as told after each step."""
    manifest = read_manifest(spec.dataset_directory)
    with start_runtime("cpu") as runtime:
        training = build_training(spec, manifest, runtime)
        batches = training_loader(spec, manifest, runtime).epoch(0)
        found = []
        for step in range(steps):
            training.optimizers.combined.begin(step)
            training.pipeline.progress(batches)
            found.append(norms(training.optimizers).get("gradient_norm"))
        return found


def difference(before: Weights, after: Weights) -> Weights:
    return {key: after[key] - before[key] for key in before}


def norm(gradient: Weights) -> float:
    return float(np.sqrt(sum((values**2).sum() for values in gradient.values())))


def tables_of(weights: Weights) -> Weights:
    prefix = TABLE_KEY.split("{}")[0]
    return {key: values for key, values in weights.items() if key.startswith(prefix)}


def rest_of(weights: Weights) -> Weights:
    return {key: weights[key] for key in weights.keys() - tables_of(weights).keys()}


def first_gradient(spec: Spec) -> Weights:
    return difference(*weights_by_step(spec, 1))


class TestSchedule:
    @pytest.mark.parametrize("sharding", ["table_wise", "row_wise", "data_parallel"])
    def test_is_followed_by_tables_and_the_rest_in_the_train_pipeline(
        self, make_spec: SpecMaker, sharding: str
    ) -> None:
        """Warm-up starts at half the rate; after the decay to 0 nothing moves."""
        schedule = {"warmup_steps": 2, "decay": "step", "decay_steps": 2, "decay_factor": 0.0}
        of_rate = {"name": "sgd", "learning_rate": 0.5}
        constant = make_spec(
            embedding_optimizer=of_rate, dense_optimizer=of_rate, sharding={"type": sharding}
        )
        changing = make_spec(
            embedding_optimizer={**of_rate, "schedule": schedule},
            dense_optimizer={**of_rate, "schedule": schedule},
            sharding={"type": sharding},
        )
        whole = first_gradient(constant)
        weights = weights_by_step(changing, 6)
        moves = [difference(*pair) for pair in pairwise(weights)]
        for part in (tables_of, rest_of):
            moving = [norm(part(move)) > 0 for move in moves]
            assert moving == [True] * 4 + [False] * 2
        for key, values in whole.items():
            np.testing.assert_allclose(moves[0][key], values / 2, rtol=1e-3, atol=1e-7)


class TestClipNorm:
    @pytest.mark.parametrize("share", [0.1, 0.9])
    def test_shortens_the_gradient_of_all_parameters_as_one_vector(
        self, make_spec: SpecMaker, share: float
    ) -> None:
        sections = {**GRADIENT_STEPS, "sharding": {"type": "data_parallel"}}
        whole = first_gradient(make_spec(**sections))
        limit = share * norm(whole)
        clipped = first_gradient(make_spec(**sections, train={"clip_norm": limit}))
        assert norm(clipped) == pytest.approx(limit, rel=1e-4)
        for key, values in whole.items():
            np.testing.assert_allclose(clipped[key], share * values, rtol=1e-3, atol=1e-7)

    def test_leaves_a_shorter_gradient_as_it_is(self, make_spec: SpecMaker) -> None:
        sections = {**GRADIENT_STEPS, "sharding": {"type": "data_parallel"}}
        whole = first_gradient(make_spec(**sections))
        loose = first_gradient(make_spec(**sections, train={"clip_norm": 1.1 * norm(whole)}))
        for key, values in whole.items():
            np.testing.assert_array_equal(loose[key], values)

    def test_leaves_sharded_tables_out_of_the_norm_and_of_the_clipping(
        self, make_spec: SpecMaker
    ) -> None:
        sections = {**GRADIENT_STEPS, "sharding": {"type": "table_wise"}}
        whole = first_gradient(make_spec(**sections))
        limit = 0.1 * norm(rest_of(whole))
        clipped = first_gradient(make_spec(**sections, train={"clip_norm": limit}))
        assert norm(rest_of(clipped)) == pytest.approx(limit, rel=1e-4)
        for key, values in tables_of(whole).items():
            np.testing.assert_array_equal(clipped[key], values)


class TestGradientNorm:
    def test_is_of_the_dense_part_alone_before_clipping(self, make_spec: SpecMaker) -> None:
        sections = {**GRADIENT_STEPS, "sharding": {"type": "data_parallel"}}
        expected = norm(rest_of(first_gradient(make_spec(**sections))))
        for clip_norm in (0.0, expected / 10):
            found = norms_by_step(make_spec(**sections, train={"clip_norm": clip_norm}), 1)
            assert found == [pytest.approx(expected, rel=1e-4)]

    def test_is_of_the_last_step_while_gradients_wait_for_the_next(
        self, make_spec: SpecMaker
    ) -> None:
        spec = make_spec(**GRADIENT_STEPS, train={"accumulate": 3})
        moves = [difference(*pair) for pair in pairwise(weights_by_step(spec, 6))]
        first, second = norm(rest_of(moves[2])), norm(rest_of(moves[5]))
        wanted = [None, None, first, first, first, second]
        assert norms_by_step(spec, 6) == [
            one if one is None else pytest.approx(one, rel=1e-3) for one in wanted
        ]


class TestAccumulate:
    @pytest.mark.parametrize("clip_norm", [0.0, 0.05])
    def test_learns_from_small_batches_what_large_ones_teach(
        self, make_spec: SpecMaker, clip_norm: float
    ) -> None:
        """1,600 rows: 8 batches of 200 or 16 of 100, the same rows in the same order."""
        sections: dict[str, Any] = {
            "embedding_optimizer": {"name": "adam", "learning_rate": 0.02, "eps": 1e-3},
            "dense_optimizer": {"learning_rate": 0.01},
        }
        common = {"epochs": 1, "clip_norm": clip_norm}
        large = make_spec("large", **sections, train={**common, "batch_size": 200})
        small = make_spec("small", **sections, train={**common, "batch_size": 100, "accumulate": 2})
        train_here(large)
        train_here(small)
        expected = last_state(large)
        for key, values in last_state(small).items():
            torch.testing.assert_close(values, expected[key], rtol=1e-4, atol=1e-6)

    def test_steps_sharded_tables_at_every_batch_and_the_rest_at_every_nth(
        self, make_spec: SpecMaker
    ) -> None:
        spec = make_spec(train={"accumulate": 3})
        weights = weights_by_step(spec, 6)
        moves = [difference(*pair) for pair in pairwise(weights)]
        assert [norm(tables_of(move)) > 0 for move in moves] == [True] * 6
        expected = [False, False, True, False, False, True]
        assert [norm(rest_of(move)) > 0 for move in moves] == expected

    def test_steps_with_what_there_is_at_the_end_of_an_epoch(self, make_spec: SpecMaker) -> None:
        """16 batches an epoch: steps after 3, 6, 9, 12, 15, 16 and 18, 21, 24, 27, 30, 32."""
        spec = make_spec(train={"batch_size": 100, "epochs": 2, "accumulate": 3})
        train_here(spec)
        counts = {int(values) for key, values in last_state(spec).items() if key.endswith(".step")}
        assert counts == {12}

    def test_ends_an_epoch_at_the_rate_of_its_last_batch(self, make_spec: SpecMaker) -> None:
        """10 batches: steps after 4, 8 and 10; from the eleventh on nothing moves."""
        schedule = {"decay": "step", "decay_steps": 10, "decay_factor": 0.0}
        spec = make_spec(
            dense_optimizer={"name": "sgd", "learning_rate": 0.5, "schedule": schedule},
            train={"batch_size": 160, "epochs": 1, "accumulate": 4, "checkpoint_every": 8},
        )
        train_here(spec)
        after_8, after_10 = whole_checkpoints(RunDirectory(spec.run_directory).checkpoints)
        assert after_8.name.startswith("step-0000000008")
        name = "model.model.dense.interactions.0.weights.0"
        before, after = (
            read_tensor(checkpoint, checkpoint_record(checkpoint), name)
            for checkpoint in (after_8, after_10)
        )
        assert not torch.equal(before, after)

    def test_goes_on_from_a_checkpoint_as_if_unbroken(self, make_spec: SpecMaker) -> None:
        """The last checkpoint is of step 32, the end of an epoch; the one before of step 30."""
        schedule = {"warmup_steps": 5, "decay": "cosine", "decay_steps": 20}
        spec = make_spec(
            embedding_optimizer={"name": "adam", "schedule": schedule},
            dense_optimizer={"schedule": schedule},
            train={"batch_size": 100, "accumulate": 3, "checkpoint_every": 3, "clip_norm": 0.1},
        )
        train_here(spec)
        unbroken = last_state(spec)
        directory = RunDirectory(spec.run_directory)
        shutil.rmtree(last_checkpoint(spec))
        assert last_checkpoint(spec).name.endswith("30")
        directory.record_file.unlink()
        train_here(spec)
        for key, values in last_state(spec).items():
            assert torch.equal(values, unbroken[key]), key

    @pytest.mark.parametrize("key", ["checkpoint_every", "validate_every"])
    def test_refuses_a_checkpoint_between_its_steps(self, make_spec: SpecMaker, key: str) -> None:
        with pytest.raises(ValidationError, match=f"{key} = 10 is no multiple of accumulate = 4"):
            make_spec(train={"accumulate": 4, key: 10})
