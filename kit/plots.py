"""Pictures of outputs. Each function takes an `ax` and returns it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kit import files
from kit.types import Outputs


def loss_histogram(outputs: Outputs, ax: Axes, *, bins: np.ndarray | None = None) -> Axes:
    """Draws the losses (nats) of forget and test examples of the first model, as the 2023 kit does.

    Args:
        outputs: of one method.
        ax: where to draw.
        bins: edges in nats, shared between pictures that are to be compared; by default 30 up to the largest loss.
    """
    losses = {part: outputs.losses(part)[0] for part in ("test", "forget")}
    if bins is None:
        bins = np.linspace(0, max(values.max() for values in losses.values()), 31)
    for (part, values), color in zip(losses.items(), ("tab:blue", "tab:orange"), strict=True):
        weights = np.full(len(values), 1 / len(values))
        ax.hist(values, bins=bins.tolist(), weights=weights, alpha=0.5, color=color, label=f"{part} ({len(values)})")
    ax.set(title=outputs.method, xlabel="cross-entropy (nats)", ylabel="share of examples", yscale="log")
    ax.legend(frameon=False, loc="upper right")
    return ax


def loss_histograms(outputs: Mapping[str, Outputs]) -> Figure:
    """Returns one histogram a method side by side, on common axes."""
    largest = max(float(one.losses(part)[0].max()) for one in outputs.values() for part in ("test", "forget"))
    figure = Figure(figsize=(4 * len(outputs), 3.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(outputs), sharex=True, sharey=True))
    for one, ax in zip(outputs.values(), axes, strict=True):
        loss_histogram(one, ax, bins=np.linspace(0, largest, 31)).label_outer()
    return figure


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, atomically."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    with files.atomic_write(path) as stream:
        stream.write(buffer.getvalue())
