"""The toy experiment's picture: information abundance by step in its two cases."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from pipeline.diagnostics.figure import styled_figure
from pipeline.diagnostics.palette import BLUE, ORANGE
from pipeline.spec_study import ToySpec

HEIGHT = 230
# 800 pixels wide.
DOTS_PER_INCH = 160


def draw(
    steps: Sequence[int], low: NDArray[np.float64], high: NDArray[np.float64], toy: ToySpec
) -> bytes:
    """A PNG file: means over seeds, and bands of one standard deviation.

    Args:
        steps: (points,) at which information abundance was measured.
        low: (seeds, points) with the small E_3.
        high: (seeds, points) with the large one.
        toy: the sizes.
    """
    with styled_figure(HEIGHT) as (figure, axes):
        for values, rows, colour in ((high, toy.high, BLUE), (low, toy.low, ORANGE)):
            mean, deviation = values.mean(axis=0), values.std(axis=0, ddof=1)
            axes.plot(steps, mean, color=colour, label=f"third field has {rows} values")
            axes.fill_between(
                steps, mean - deviation, mean + deviation, color=colour, alpha=0.15, linewidth=0
            )
        axes.set(xlabel="step of gradient descent", ylabel="information abundance of E₁")
        axes.set_xlim(0, steps[-1])
        axes.legend(loc="center right", bbox_to_anchor=(1, 0.55))
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, facecolor="white")
        return buffer.getvalue()
