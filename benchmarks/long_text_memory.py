"""Resident memory of this process while a long text is read: after every batch, and the most within it."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil

MB = 1e6
_EVERY_S = 0.05


class Sample(NamedTuple):
    """When so many pieces were finished.

    Attributes:
        pieces: finished by now.
        seconds: since the beginning.
        resident: memory in MB now. most: the highest since the sample before.
    """

    pieces: int
    seconds: float
    resident: float
    most: float


class MemoryWatch:
    """Samples at every report of `read_long`; between them a thread looks for the highest value.

    Attributes:
        samples: so far.
    """

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._process, self._most, self._started = psutil.Process(), 0.0, time.perf_counter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def report(self, _what: str, done: int, _total: int) -> None:
        """For `read_long(..., report=...)`."""
        now = self._resident()
        self.samples.append(Sample(done, time.perf_counter() - self._started, now, max(now, self._most)))
        self._most = 0.0

    def _look(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._most = max(self._most, self._resident())

    def _resident(self) -> float:
        return self._process.memory_info().rss / MB


def memory_figures(samples: list[Sample]) -> dict[str, Any]:
    """Medians of the first and last quarter of the samples; the one before the first piece does not count."""
    made = [sample for sample in samples if sample.pieces]
    quarter = max(1, len(made) // 4)
    figures: dict[str, Any] = {"samples": len(made), "before_mb": samples[0].resident}
    for name, part in (("first", made[:quarter]), ("last", made[-quarter:])):
        figures[f"{name}_quarter_mb"] = statistics.median(sample.resident for sample in part)
        figures[f"{name}_quarter_most_mb"] = statistics.median(sample.most for sample in part)
    figures["growth"] = figures["last_quarter_mb"] / figures["first_quarter_mb"] - 1
    figures["highest_mb"] = max(sample.most for sample in made)
    return figures


def plot_memory(samples: list[Sample], path: Path, title: str) -> None:
    """Memory over finished pieces, from zero, with the medians of the first and the last quarter."""
    from matplotlib.figure import Figure

    made = [sample for sample in samples if sample.pieces]
    pieces, quarter, figures = [sample.pieces for sample in made], max(1, len(made) // 4), memory_figures(samples)
    figure = Figure(figsize=(8, 3.6), layout="constrained", dpi=100)
    axes = figure.subplots()
    axes.plot(pieces, [sample.most for sample in made], color="#e08e45", linewidth=1, label="highest within a batch")
    axes.plot(pieces, [sample.resident for sample in made], color="#3b6ea5", marker=".", label="after a batch")
    for name, part, place, side in (("first", made[:quarter], 0, "left"), ("last", made[-quarter:], -1, "right")):
        median = figures[f"{name}_quarter_mb"]
        axes.hlines(median, part[0].pieces, part[-1].pieces, color="#c0392b", linewidth=2, zorder=3)
        axes.annotate(
            f"median {median:.0f} MB",
            (part[place].pieces, median),
            xytext=(4 if place == 0 else -4, -14),
            textcoords="offset points",
            ha=side,
            color="#c0392b",
        )
    axes.set(xlabel="finished pieces", ylabel="resident memory, MB", title=title, xlim=(0, pieces[-1]))
    axes.set_ylim(0, 1.25 * figures["highest_mb"])
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path)


__all__ = ["MemoryWatch", "memory_figures", "plot_memory"]
