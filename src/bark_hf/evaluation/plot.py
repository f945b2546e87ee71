"""Results as one picture: error rates, similarities, lengths. Knows matplotlib; draws without a display."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .anomalies import Limits
from .packages import needed
from .results import ALL_VOICES, Group, Results
from .speakers import Similarities


def plot_results(results: Results, path: Path, limits: Limits | None = None) -> None:
    """Write a PNG with the panels for which there are results.

    Args:
        results: what was found.
        path: of the PNG.
        limits: of the anomalies, for the band of lengths.

    Raises:
        ImportError: without matplotlib.
    """
    figure_class = needed("matplotlib.figure", "plot.png").Figure  # without pyplot: no display, no global state
    rated = [group for group in results.groups if group.wer is not None]
    panels: list[Any] = [lambda axes: _draw_lengths(axes, results, limits or Limits())]
    if results.similarities is not None:
        similar = results.similarities
        panels.insert(0, lambda axes: _draw_similarities(axes, similar))
    if rated:
        panels.insert(0, lambda axes: _draw_rates(axes, rated))
    rows = max(len(rated), len(results.similarities.rows) if results.similarities else 0)
    figure = figure_class(figsize=(5.2 * len(panels), max(4.0, 1.6 + 0.36 * rows)), layout="constrained", dpi=110)
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.1, wspace=0.05)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, draw in zip(axes, panels, strict=True):
        draw(place)
    figure.savefig(path)


def _draw_rates(axes: Any, groups: list[Group]) -> None:
    at = np.arange(len(groups))
    rates = [group.wer for group in groups if group.wer is not None]
    value = np.array([rate.value for rate in rates])
    reach = np.array([[rate.value - rate.low, rate.high - rate.value] for rate in rates]).T.clip(0)
    parts = [group.voice != ALL_VOICES and groups[i - 1].stage == group.stage for i, group in enumerate(groups) if i]
    axes.barh(at, 100 * value, color=["#3b6ea5", *("#9dbcd9" if part else "#3b6ea5" for part in parts)])
    axes.errorbar(100 * value, at, xerr=100 * reach, fmt="none", ecolor="#333333", capsize=3, linewidth=1)
    for y, rate in zip(at, rates, strict=True):
        axes.annotate(f"{rate.value:.1%}", (100 * rate.high, y), (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(at, [f"{group.label} ({group.n})" for group in groups])
    axes.set_xlim(0, max(10.0, 118 * max(rate.high for rate in rates)))
    axes.invert_yaxis()
    axes.set_xlabel("word error rate in %, with 95 % interval")
    axes.set_title("Word error rate")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_similarities(axes: Any, similar: Similarities) -> None:
    values = np.array(similar.values, dtype=float)
    low = min(0.4, float(np.nanmin(values, initial=1.0)))
    axes.imshow(values, cmap="Blues", vmin=low, vmax=1.0, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        dark = not np.isnan(value) and value > (low + 2) / 3
        text = "-" if np.isnan(value) else f"{value:.2f}"
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(similar.columns)), similar.columns, rotation=30 if len(similar.columns) > 3 else 0)
    axes.set_yticks(range(len(similar.rows)), similar.rows)
    axes.set_xlabel("reference speaker")
    axes.set_title(f"Speaker similarity ({similar.encoder}, cosine)")


def _draw_lengths(axes: Any, results: Results, limits: Limits) -> None:
    longest = max(item.characters for item in results.items)
    x = np.array([0.0, 1.08 * longest])
    axes.fill_between(
        x, limits.shortest * x, limits.pauses + limits.longest * x, color="#e6e6e6", label="expected", linewidth=0
    )
    for stage in dict.fromkeys(item.clip.stage for item in results.items):
        items = [item for item in results.items if item.clip.stage == stage]
        sizes = [item.characters for item in items]
        axes.scatter(sizes, [item.clip.seconds for item in items], s=16, alpha=0.7, label=stage, linewidths=0)
    odd = [item for item in results.items if item.anomalies]
    if odd:
        where = [item.characters for item in odd], [item.clip.seconds for item in odd]
        axes.scatter(*where, s=60, facecolors="none", edgecolors="#c0392b", label=f"anomaly ({len(odd)})")
    axes.set_xlim(0, x[1])
    axes.set_ylim(0)
    axes.set_xlabel("characters of the text")
    axes.set_ylabel("seconds of sound")
    axes.set_title("Length")
    axes.legend(loc="upper left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
