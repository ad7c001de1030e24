"""Which texts are numbers."""

import math
import re

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.data.fields.binning import numbers

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


@given(st.lists(st.text("019.+-eE x", max_size=6), max_size=5))
@example(["nan"])
@example(["-inf", "1"])
@example(["infinity"])
@example(["0x10"])
@example(["1_0"])
@example(["1e999"])
@example(["1 "])
def test_a_number_is_what_the_pattern_says_whatever_stands_beside_it(texts: list[str]) -> None:
    plain = [float(text) if NUMBER.fullmatch(text) else math.inf for text in texts]
    expected = [value if math.isfinite(value) else None for value in plain]
    assert numbers(pa.array(texts, pa.string())).to_pylist() == expected
