"""A run over pieces -> its joined sound while it is being made. Knows runs and how sounds are joined; knows no text.

The blocks are those of `LongResult.blocks`, from the same function over the same records.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from .joining import blocks, places
from .result import LongResult
from .running import Run
from .store import Record


class SoundStream(Iterator[np.ndarray]):
    """An iterator of float32 [samples] chunks, mono, that are one sound when they are put in a row.

    A piece is made when the next chunk is asked for and nothing else is ready: one piece first, then twice as many at
    once each time, up to the batch size. Of a piece without a pause behind it the last `fade_s` wait for the next one.

    Args:
        run: begun, nothing read yet.

    Attributes:
        sampling_rate: samples per second.
        first_sound_seconds: from the first chunk's request to the first chunk that is not silence; None until then.
    """

    def __init__(self, run: Run):
        self.sampling_rate = run.sampling_rate
        self.first_sound_seconds: float | None = None
        self._run = run
        self._records: list[Record] = []
        self._asked: float | None = None
        self._chunks = self._joined()

    def __next__(self) -> np.ndarray:
        if self._asked is None:
            self._asked = time.perf_counter()
        chunk = next(self._chunks)
        if self.first_sound_seconds is None and chunk.any():
            self.first_sound_seconds = time.perf_counter() - self._asked
        return chunk

    @property
    def result(self) -> LongResult:
        """What `read_long` would have given, when all chunks were taken: segments, retakes, the sound once more.

        Raises:
            ValueError: before that.
        """
        total = len(self._run.reader.pieces)
        if len(self._records) < total:
            raise ValueError(
                f"{len(self._records)} of {total} pieces were made; the result is there after the last chunk; take it"
            )
        return self._run.result(self._records)

    def _joined(self) -> Iterator[np.ndarray]:
        run = self._run
        silences = run.join.silences(run.reader.pieces)
        found = places(self._lengths(), silences, self.sampling_rate, run.join.fade_s, run.lead)
        return blocks(found, self._load, self.sampling_rate, run.join)

    def _lengths(self) -> Iterator[int]:
        for record in self._run.reader.in_order(self._run.done, self._run.report, growing=True):
            self._records.append(record)
            yield record.stop - record.start

    def _load(self, index: int) -> np.ndarray:
        record = self._records[index]
        return self._run.reader.store.audio(record)[record.start : record.stop]


__all__ = ["SoundStream"]
