"""Seconds and progress bars per stage, both from `generate`'s progress callback.

Knows the callback's contract and the terminal; knows no model.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

STAGES = ("semantic", "coarse", "fine", "codec")


def is_shown() -> bool:
    """Whether somebody looks at stderr."""
    return sys.stderr.isatty()


class StageClock:
    """A progress callback that adds up each stage's seconds, and may draw a bar per stage on stderr.

    Args:
        show: draw bars; they vanish at the end.

    Attributes:
        seconds: stage -> seconds; the time between two calls belongs to the stage of the second.
    """

    def __init__(self, show: bool) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._bars = _bars() if show else None
        self._tasks: dict[str, Any] = {}
        self._last = time.perf_counter()

    def __enter__(self) -> StageClock:
        self._last = time.perf_counter()
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now
        if self._bars is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage, total=total)
            self._bars.update(self._tasks[stage], completed=done)

    def close(self) -> None:
        """The audio is here: what has passed since the last call belongs to the codec."""
        self.seconds["codec"] += time.perf_counter() - self._last


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
