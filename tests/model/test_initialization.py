import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.data.manifest import Field
from pipeline.model import initialization
from pipeline.model.initialization import TableInitializer
from pipeline.model.tables import Table, TableGroup, layout_tables
from pipeline.spec_model import ModelSpec

BLOCK = 8
FIELDS = (Field("small", "categorical", 5), Field("large", "categorical", 3 * BLOCK + 3))
TOTAL = sum(field.cardinality for field in FIELDS)


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> object:
    """Blocks of a few rows, so that short tables cross their borders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(initialization, "BLOCK_ROWS", BLOCK)
        yield


def table_of(rows: int, sets: int = 1, size: int = 4, name: str = "field") -> Table:
    return Table("t", Field(name, "categorical", rows), 0, 0, sets, size)


def whole(table: Table, spec: ModelSpec | None = None, seed: int = 0) -> Tensor:
    spec = spec or ModelSpec(initialization="uniform")
    return TableInitializer(spec, table.rows, seed).rows(table, 0, table.rows)


class TestStorage:
    @pytest.mark.parametrize("size", [1, 4, 10])
    def test_packed_and_separate_tables_start_value_for_value_alike(self, size: int) -> None:
        groups = (TableGroup(3, size), TableGroup(2, size + 1))
        initializer = TableInitializer(ModelSpec(), TOTAL, seed=1)
        separate = {
            (table.field.name, table.group, table.first_set): initializer.rows(table, 0, table.rows)
            for table in layout_tables(FIELDS, groups, "separate")
        }
        assert len(separate) == len(FIELDS) * 5
        for table in layout_tables(FIELDS, groups, "packed"):
            values = initializer.rows(table, 0, table.rows)
            for place in range(table.sets):
                k = table.embedding_dim
                alone = separate[table.field.name, table.group, place]
                assert torch.equal(values[:, place * k : (place + 1) * k], alone[:, :k])

    @pytest.mark.parametrize(("sets", "size"), [(1, 1), (3, 3), (1, 10), (2, 5)])
    def test_padding_columns_are_0(self, sets: int, size: int) -> None:
        values = whole(table_of(20, sets, size))
        assert values.shape[1] % 4 == 0
        assert values[:, : sets * size].ne(0).all()
        assert values[:, sets * size :].eq(0).all()


class TestRows:
    @given(
        data=st.data(),
        rows=st.integers(1, 4 * BLOCK) | st.sampled_from([BLOCK, 2 * BLOCK, 3 * BLOCK]),
        sets=st.integers(1, 3),
    )
    @settings(suppress_health_check=[HealthCheck.too_slow])
    def test_any_range_is_the_slice_of_the_whole(
        self, data: st.DataObject, rows: int, sets: int
    ) -> None:
        table = table_of(rows, sets, size=3)
        start = data.draw(st.integers(0, rows), label="start")
        stop = data.draw(st.integers(start, rows), label="stop")
        initializer = TableInitializer(ModelSpec(initialization="normal"), rows, seed=0)
        part = initializer.rows(table, start, stop)
        assert torch.equal(part, initializer.rows(table, 0, rows)[start:stop])

    def test_of_different_blocks_differ(self) -> None:
        values = whole(table_of(2 * BLOCK))
        assert not torch.equal(values[:BLOCK], values[BLOCK:])

    def test_are_the_same_when_drawn_again(self) -> None:
        assert torch.equal(whole(table_of(20)), whole(table_of(20)))

    def test_do_not_touch_torchs_own_generator(self) -> None:
        torch.manual_seed(0)
        expected = torch.rand(1)
        torch.manual_seed(0)
        whole(table_of(20))
        assert torch.equal(torch.rand(1), expected)


class TestStreams:
    def test_sets_of_a_field_differ(self) -> None:
        values = whole(table_of(20, sets=2, size=4))
        assert not torch.equal(values[:, :4], values[:, 4:])

    def test_fields_differ(self) -> None:
        assert not torch.equal(whole(table_of(20, name="a")), whole(table_of(20, name="b")))

    def test_seeds_differ(self) -> None:
        assert not torch.equal(whole(table_of(20), seed=0), whole(table_of(20), seed=1))

    def test_groups_differ(self) -> None:
        field = Field("a", "categorical", 20)
        first, second = (Table("t", field, group, 0, 1, 4) for group in (0, 1))
        assert not torch.equal(whole(first), whole(second))

    def test_are_uncorrelated(self) -> None:
        values = whole(table_of(20_000, sets=4, size=2))
        correlations = torch.corrcoef(values.T) - torch.eye(8)
        assert correlations.abs().max() < 5 / math.sqrt(20_000)


def bound(spec: ModelSpec, rows: int, total_rows: int, size: int) -> float:
    """The largest absolute value that a uniform kind may draw, by its definition."""
    return {
        "xavier_total": math.sqrt(6 / (total_rows + size)),
        "xavier_field": math.sqrt(6 / (rows + size)),
        "uniform": spec.initialization_scale,
    }[spec.initialization]


class TestDistributions:
    ROWS, TOTAL_ROWS, SIZE = 5_000, 40_000, 10

    def values(self, spec: ModelSpec) -> Tensor:
        """50,000 starting values of one set, in a model of 40,000 rows."""
        table = table_of(self.ROWS, 1, self.SIZE)
        rows = TableInitializer(spec, self.TOTAL_ROWS, seed=0).rows(table, 0, self.ROWS)
        return rows[:, : self.SIZE].double()

    @pytest.mark.parametrize(
        "spec",
        [
            ModelSpec(initialization="xavier_total"),
            ModelSpec(initialization="xavier_field"),
            ModelSpec(initialization="uniform", initialization_scale=0.3),
        ],
        ids=lambda spec: spec.initialization,
    )
    def test_uniform_kinds_fill_their_interval_evenly(self, spec: ModelSpec) -> None:
        values = self.values(spec)
        limit = bound(spec, self.ROWS, self.TOTAL_ROWS, self.SIZE)
        # Kolmogorov and Smirnov: 1.95 / sqrt(n) is passed once in a thousand seeds.
        ordered = ((values / limit + 1) / 2).flatten().sort().values
        expected = torch.linspace(0, 1, len(ordered)).double()
        assert values.abs().max() <= limit * (1 + 1e-6)
        assert (ordered - expected).abs().max() < 1.95 / math.sqrt(len(ordered))

    def test_normal_has_its_scale_for_standard_deviation(self) -> None:
        spec = ModelSpec(initialization="normal", initialization_scale=0.05)
        standard = self.values(spec) / 0.05
        count = standard.numel()
        assert abs(standard.mean().item()) < 5 / math.sqrt(count)
        assert abs(standard.square().mean().item() - 1) < 5 * math.sqrt(2 / count)
        assert abs(standard.pow(4).mean().item() - 3) < 5 * math.sqrt(96 / count)

    def test_xavier_total_is_the_papers_figure_at_criteos_size(self) -> None:
        table = table_of(1_000, 1, 10)
        values = TableInitializer(ModelSpec(), 1_086_810, seed=0).rows(table, 0, 1_000)
        assert values.abs().max().item() == pytest.approx(0.0023, abs=0.00006)

    def test_xavier_total_is_the_same_bound_for_every_field(self) -> None:
        initializer = TableInitializer(ModelSpec(), 10_000, seed=0)
        largest = [
            initializer.rows(table_of(rows), 0, rows).abs().max().item() for rows in (500, 9_000)
        ]
        assert largest[0] == pytest.approx(largest[1], rel=0.01)
