import json
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from pipeline.spec_study import ToySpec
from pipeline.study.toy_experiment import draw_data, gradient, main, train

SHORT = ToySpec(picture="a.svg", steps=800, seeds=(0, 1))


def test_the_gradient_is_that_of_autograd() -> None:
    first, second, third = (torch.randn(rows, 4, dtype=torch.float64) for rows in (5, 7, 3))
    x3 = torch.randint(3, (5, 7))
    labels = torch.randint(2, (5, 7)).double()
    first.requires_grad_()
    met = third[x3]
    logits = first @ second.T + (first[:, None] * met).sum(2) + (second[None] * met).sum(2)
    torch.nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()

    found = gradient(
        first.detach().numpy(),
        (second[None] + met).numpy(),
        (second[None] * met).sum(2).numpy(),
        labels.numpy(),
    )

    np.testing.assert_allclose(found, first.grad, rtol=1e-12, atol=1e-15)


def test_a_step_is_one_of_gradient_descent() -> None:
    toy = ToySpec(picture="a.svg", rows_1=6, rows_2=5, steps=3, record_every=3, learning_rate=0.5)
    data = draw_data(toy, 4, seed=2)
    tables = [torch.tensor(table) for table in data.tables]
    first = tables[0].requires_grad_()
    optimizer = torch.optim.SGD([first], lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        met = tables[2][data.third]
        second = tables[1][None]
        logits = ((second + met) * first[:, None]).sum(2) + (second * met).sum(2)
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        loss(logits, torch.tensor(data.labels)).backward()
        optimizer.step()

    values = torch.linalg.svdvals(first.detach())
    assert train(toy, data)[-1] == pytest.approx(float(values.sum() / values[0]), abs=1e-10)


def test_a_field_of_few_values_drags_information_abundance_down() -> None:
    last = {
        rows: [train(SHORT, draw_data(SHORT, rows, seed))[-1] for seed in SHORT.seeds]
        for rows in (SHORT.low, SHORT.high)
    }
    # Over all 5,000 steps and ten seeds the gap is 1.8 with a deviation of 0.5.
    assert all(low < high - 0.3 for low, high in zip(*last.values(), strict=True))


def test_both_cases_of_a_seed_start_from_the_same_tables_and_labels() -> None:
    low, high = (draw_data(SHORT, rows, seed=1) for rows in (3, 100))
    for ours, theirs in zip(low.tables[:2], high.tables[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(low.labels, high.labels)
    assert low.third.max() == 2
    assert high.third.max() == 99


def test_the_command_writes_a_picture_and_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "toy.toml"
    spec.write_text(f'picture = "{tmp_path}/toy.png"\nrows_1 = 9\nrows_2 = 8\nhigh = 9\n')
    main([str(spec), "steps=100", "seeds=[0,1]"])
    facts = json.loads((tmp_path / "toy.json").read_text())
    assert facts["low"]["rows_3"] == 3
    assert len(facts["steps"]) == len(facts["high"]["mean_by_step"]) == 3
    picture = imread(tmp_path / "toy.png")
    assert picture.shape[1] == 800
    assert picture[..., :3].std() > 0.05
    assert "information abundance of E_1 after 100 steps" in capsys.readouterr().out
