"""Suno's progress bar, one per stage. Knows tqdm and the stages' progress callback."""

from __future__ import annotations

from types import TracebackType

from tqdm import tqdm


class StageBar:
    """A callback progress(stage, done, total) that moves a tqdm bar on stderr.

    Args:
        silent: show nothing.
    """

    def __init__(self, silent: bool):
        self._bar = tqdm(disable=silent)

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def finish(self, done: int) -> None:
        """Set the bar to `done` of `done`: a stage that may end early counts towards its limit."""
        self._bar.total = self._bar.n = done
        self._bar.refresh()

    def __enter__(self) -> StageBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


__all__ = ["StageBar"]
