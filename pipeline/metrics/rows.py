"""The shape that every metric asks for."""

from typing import Any

from numpy.typing import NDArray


def check_rows(labels: NDArray[Any], predictions: NDArray[Any]) -> None:
    """Holds that both are (rows,): NumPy would broadcast or index anything else without a word.

    Raises:
        ValueError: naming the two shapes.
    """
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise ValueError(
            f"labels are {labels.shape}, predictions {predictions.shape}: both must be (rows,)"
        )
