"""Numeric values become tokens: the paper's log-square bins, logarithmic ones, or quantiles."""

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MISSING = ""
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
# Beyond it a float64 no longer tells neighbouring integers apart.
_LARGEST_INTEGER = 2.0**53


def numbers(values: pa.StringArray) -> pa.DoubleArray:
    """Texts as numbers; null where a text is missing or no finite number."""
    try:
        # Arrow's own reading knows no other texts than the pattern's but those of what is not
        # finite. Where all can be read, it saves the pattern: 3 % of the time of a preparation.
        parsed = pc.cast(pc.if_else(pc.equal(values, MISSING), None, values), pa.float64())
    except pa.ArrowInvalid:
        parsed = _plain_numbers(values)
    return pc.if_else(pc.is_finite(parsed), parsed, None)


def _plain_numbers(values: pa.StringArray) -> pa.DoubleArray:
    """Null for what the pattern does not know."""
    plain = pc.if_else(pc.match_substring_regex(values, _NUMBER), values, None)
    # Arrow reads no leading plus sign.
    return pc.cast(pc.utf8_ltrim(plain, "+"), pa.float64())


def log_square_tokens(values: pa.StringArray) -> pa.StringArray:
    """The paper's bins of Criteo's integers, as texts.

    v > 2 becomes floor(ln(v)^2), at least 1; other values v - 2, at most 0; a missing value "".

    >>> log_square_tokens(pa.array(["", "-1", "2", "3", "100"])).to_pylist()
    ['', '-3', '0', '1', '21']
    """
    parsed = numbers(values)
    v = parsed.to_numpy(zero_copy_only=False)
    logarithm = np.log(np.where(v > 2, v, 3.0))
    binned = np.where(v > 2, np.maximum(np.floor(logarithm**2), 1.0), v - 2)
    return _texts(binned)


def log_tokens(values: pa.StringArray, base: float) -> pa.StringArray:
    """Intervals between powers of ``base``, as texts; a missing value "".

    |v| >= 1 falls between base^k and base^(k + 1), k = floor(log |v|), on its side of zero; all
    smaller values share an interval.

    >>> log_tokens(pa.array(["", "0.5", "1", "9", "10", "-99"]), 10.0).to_pylist()
    ['', '(-1, 1)', '[1, 10)', '[1, 10)', '[10, 100)', '(-100, -10]']
    """
    v = numbers(values).to_numpy(zero_copy_only=False)
    size = np.maximum(np.nan_to_num(np.abs(v)), 1.0)
    # Rounding may put a power itself, such as 1000 = 10^3, one interval too low or too high.
    near = np.floor(np.log(size) / np.log(base))
    bounds = _powers(base, np.unique(near[:, None] + np.arange(-1, 3)))
    places = np.searchsorted(bounds, size, side="right").tolist()
    texts = _texts(bounds).to_pylist()
    tokens = []
    for x, place in zip(v.tolist(), places, strict=True):
        low, high = texts[place - 1], texts[place]
        if np.isnan(x):
            tokens.append(MISSING)
        elif abs(x) < 1:
            tokens.append("(-1, 1)")
        else:
            tokens.append(f"[{low}, {high})" if x > 0 else f"(-{high}, -{low}]")
    return pa.array(tokens, pa.string())


def _powers(base: float, exponents: np.ndarray) -> np.ndarray:
    """base^k for every whole k, each the float64 that is nearest to it.

    numpy's own end in another digit on CPUs with AVX-512 (1.5^34, 10^23), and a log must have the
    same tokens on all.
    """
    with localcontext(prec=60):
        return np.array([float(Decimal(base) ** int(k)) for k in exponents])


def quantile_edges(values: np.ndarray, counts: np.ndarray, bins: int) -> np.ndarray:
    """Edges of at most ``bins`` intervals of equal mass; equal values share an interval.

    Args:
        values: distinct numbers, in any order.
        counts: the occurrences of each.
        bins: the number of intervals wanted.

    Returns:
        The inner edges, rising; each is one of ``values`` and begins an interval.
    """
    order = np.argsort(values)
    ordered, mass = values[order], np.cumsum(counts[order])
    if not len(ordered):
        return ordered
    targets = mass[-1] * np.arange(1, bins) / bins
    # The first value after each target begins the next interval.
    starts = np.searchsorted(mass, targets, side="right")
    return np.unique(ordered[starts[(starts > 0) & (starts < len(ordered))]])


def interval_tokens(values: pa.DoubleArray, edges: np.ndarray) -> pa.StringArray:
    """The interval of each number, as a text such as ``[3, 7)``; a missing one is "".

    >>> interval_tokens(pa.array([1.0, 3.0, 9.0, None]), np.array([3.0, 7.0])).to_pylist()
    ['[-inf, 3)', '[3, 7)', '[7, inf)', '']
    """
    bounds = ["-inf", *_texts(edges).to_pylist(), "inf"]
    labels = [f"[{low}, {high})" for low, high in pairwise(bounds)]
    found = np.searchsorted(edges, values.to_numpy(zero_copy_only=False), side="right")
    tokens = pa.array(labels).take(pa.array(np.minimum(found, len(edges))))
    return pc.if_else(pc.is_null(values), MISSING, tokens)


def number_texts(values: pa.FloatingPointArray) -> pa.StringArray:
    """Numbers as the shortest texts, integers without a point; NaN and null are the missing value.

    A whole number of less than 2^53 has the text that it has as an integer.

    >>> number_texts(pa.array([12345678901.0, -0.0, 0.1, None])).to_pylist()
    ['12345678901', '0', '0.1', '']
    """
    found = values.to_numpy(zero_copy_only=False).astype(np.float64)
    whole = (np.floor(found) == found) & (np.abs(found) < _LARGEST_INTEGER)
    texts = pa.array(np.where(whole, found, 0).astype(np.int64)).cast(pa.string())
    missing = np.isnan(found)
    if not (whole | missing).all():
        texts = pc.if_else(pa.array(whole), texts, values.cast(pa.string()))
    return pc.if_else(pa.array(missing), MISSING, texts)


def _texts(values: np.ndarray) -> pa.StringArray:
    """``number_texts`` of numbers of which few are distinct, as bins are: a quarter of the time."""
    encoded = pa.array(values).dictionary_encode()
    return number_texts(encoded.dictionary).take(encoded.indices)
