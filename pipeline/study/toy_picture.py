"""The toy experiment's picture: information abundance by step in its two cases."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.diagnostics.figure import BLUE, ORANGE, inline_svg, styled_figure
from pipeline.spec_study import ToySpec

HEIGHT = 250


def draw(
    steps: Sequence[int], low: NDArray[np.float64], high: NDArray[np.float64], toy: ToySpec
) -> str:
    """An SVG file: means over seeds, and bands of one standard deviation.

    Args:
        steps: (points,) at which information abundance was measured.
        low: (seeds, points) with the small E_3.
        high: (seeds, points) with the large one.
        toy: the sizes.
    """
    with styled_figure(HEIGHT) as (figure, axes):
        figure.patch.set_facecolor("white")
        for values, rows, colour in ((high, toy.high, BLUE), (low, toy.low, ORANGE)):
            mean, deviation = values.mean(axis=0), values.std(axis=0, ddof=1)
            axes.plot(steps, mean, color=colour, label=f"third field has {rows} values")
            axes.fill_between(
                steps, mean - deviation, mean + deviation, color=colour, alpha=0.15, linewidth=0
            )
        axes.set(xlabel="step of gradient descent", ylabel="information abundance of $E_1$")
        axes.set_xlim(0, steps[-1])
        axes.legend(loc="lower left")
        label = (
            f"Information abundance of the trained table by step, mean of {len(low)} seeds: it "
            f"ends at {high[:, -1].mean():.1f} beside a field of {toy.high} values and at "
            f"{low[:, -1].mean():.1f} beside one of {toy.low}."
        )
        svg = inline_svg(figure, "toy", label)
    namespace = '<svg xmlns="http://www.w3.org/2000/svg"'
    return svg.replace("<svg", f'{namespace} font-family="sans-serif"', 1)
