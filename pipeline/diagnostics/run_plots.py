"""The figures of a run: its training, its validation and its calibration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from pipeline.diagnostics.best_validation import best_validation, validations
from pipeline.diagnostics.figure import DASHES, inline_svg, styled_figure
from pipeline.diagnostics.palette import BLUE, FAINT, MUTED, ORANGE, TEAL
from pipeline.metrics.calibration import CalibrationCurve

HEIGHT = 230


def loss_curve(curves: Sequence[Mapping[str, Any]]) -> str:
    """The loss by step, raw and smoothed in training, and at validations."""
    train = [line for line in curves if line["kind"] == "train"]
    valid = validations(curves)
    steps, losses = [line["step"] for line in train], [line["loss"] for line in train]
    with styled_figure(HEIGHT) as (figure, axes):
        axes.plot(steps, losses, color=FAINT, linewidth=0.8, alpha=0.7)
        axes.plot(steps, _smooth(losses), color=BLUE, label="training, smoothed")
        valid_steps, valid_losses = (
            [line["step"] for line in valid],
            [line["loss"] for line in valid],
        )
        axes.plot(valid_steps, valid_losses, "o-", color=ORANGE, ms=4, label="validation")
        _by_step(axes)
        axes.set_ylabel("loss")
        axes.legend(loc="best")
        label = f"Training loss at {len(train)} logged steps, and validation loss by step."
        return inline_svg(figure, "loss", label)


def validation_curve(
    curves: Sequence[Mapping[str, Any]], monitor: str, oracle_auc: float | None
) -> str:
    """The validation AUC by step, with the tested model's marked, and the oracle's if known.

    Args:
        curves: the journal's lines.
        monitor: the metric by which the best model was kept; its AUC need not be the highest.
        oracle_auc: of the true probabilities, or None.
    """
    valid = validations(curves)
    steps, aucs = [line["step"] for line in valid], [line["auc"] for line in valid]
    best = best_validation(curves, monitor)
    with styled_figure(HEIGHT) as (figure, axes):
        axes.plot(steps, aucs, "o-", color=BLUE, ms=4)
        axes.plot(best["step"], best["auc"], "o", color=ORANGE, ms=8)
        axes.margins(x=0.12, y=0.2)
        # The curve lies below its best; the oracle's line above.
        points_up = 8 if oracle_auc is None else -15
        _beside(axes, f"tested {best['auc']:.4f}", (best["step"], best["auc"]), points_up, ORANGE)
        if oracle_auc is not None:
            axes.axhline(oracle_auc, color=TEAL, linestyle=DASHES, linewidth=1.2)
            middle = (steps[0] + steps[-1]) / 2
            _beside(axes, f"oracle {oracle_auc:.4f}", (middle, oracle_auc), 4, TEAL)
        _by_step(axes)
        axes.set_ylabel("validation AUC")
        label = (
            f"Validation AUC by step. The tested model's is {best['auc']:.4f}, at step "
            f"{best['step']:,} in epoch {best['epoch'] + 1}."
        )
        return inline_svg(figure, "validation", label)


def abundance_curve(curves: Sequence[Mapping[str, Any]]) -> str:
    """The mean information abundance of the fields by step."""
    valid = validations(curves)
    values = [line["information_abundance"] for line in valid]
    with styled_figure(HEIGHT) as (figure, axes):
        axes.plot([line["step"] for line in valid], values, "o-", color=TEAL, ms=4)
        axes.margins(x=0.12)
        axes.set_ylim(0, 1.15 * max(*values, 1.0))
        _by_step(axes)
        axes.set_ylabel("information abundance")
        label = f"Mean information abundance by step, from {values[0]:.2f} to {values[-1]:.2f}."
        return inline_svg(figure, "abundance-by-step", label)


def calibration_plot(curve: CalibrationCurve) -> str:
    """Observed rate against mean prediction, bin by bin; the diagonal is perfect."""
    end = 1.04 * float(max(*curve.mean_prediction, *curve.observed_rate))
    with styled_figure(HEIGHT) as (figure, axes):
        axes.plot([0, end], [0, end], color=MUTED, linestyle=DASHES, linewidth=1)
        axes.plot(curve.mean_prediction, curve.observed_rate, "o-", color=BLUE, ms=4)
        axes.set(xlim=(0, end), ylim=(0, end), xlabel="mean prediction", ylabel="observed rate")
        label = (
            f"Observed rate of label 1 against mean prediction in {len(curve.count)} bins of "
            "equal size; on the dashed diagonal they agree."
        )
        return inline_svg(figure, "calibration", label)


def _by_step(axes: Axes) -> None:
    """The horizontal axis of a training: steps, such as 2k."""
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("step")


def _beside(
    axes: Any, text: str, point: tuple[float, float], points_up: float, colour: str
) -> None:
    """Text centred above a point, or below it where ``points_up`` is negative."""
    axes.annotate(
        text,
        point,
        xytext=(0, points_up),
        textcoords="offset points",
        horizontalalignment="center",
        color=colour,
    )


def _smooth(values: Sequence[float]) -> NDArray[np.float64]:
    """The mean over a moving window of a twentieth of the points."""
    window = np.ones(max(1, len(values) // 20))
    return np.convolve(values, window, "same") / np.convolve(np.ones(len(values)), window, "same")
