"""One piece of a long text as it was said: what is known of it, its sound and its tokens.

Knows a piece, its record and the store that both come from; knows no model and no other piece.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..voices import VoicePrompt, VoiceRules
from .sound_file import save_sound
from .splitting import Piece
from .store import Record, Store


@dataclass(frozen=True, eq=False, repr=False)
class Segment:
    """One piece of a long text, as it was said.

    Attributes:
        piece: its text, speaker, what ends behind it; see `Piece`.
        record: its seed, score and lengths; see `Record`.
        start: seconds from the beginning of the joined sound.
    """

    piece: Piece
    record: Record
    start: float
    _store: Store
    _rules: VoiceRules

    @property
    def index(self) -> int:
        """Its place, from 0."""
        return self.record.index

    @property
    def text(self) -> str:
        """What was to be said."""
        return self.piece.text

    @property
    def speaker(self) -> str:
        """Who says it; empty without a dialogue."""
        return self.piece.speaker

    @property
    def seed(self) -> int:
        """Of `generate`; with the voice that it continues it gives the segment again."""
        return self.record.seed

    @property
    def score(self) -> float:
        """Higher is better, 0 has no fault; see the scorer."""
        return self.record.score

    @property
    def faults(self) -> tuple[str, ...]:
        """What the scorer found wrong."""
        return self.record.faults

    @property
    def sampling_rate(self) -> int:
        """Samples per second."""
        return self.record.sampling_rate

    @property
    def seconds(self) -> float:
        """Of its sound, without the pause behind it."""
        return (self.record.stop - self.record.start) / self.sampling_rate

    @property
    def trimmed(self) -> tuple[float, float]:
        """Seconds that were left out in front and behind."""
        rate = self.sampling_rate
        return self.record.start / rate, (self.record.samples - self.record.stop) / rate

    @property
    def audio(self) -> np.ndarray:
        """Its sound as it is joined, float32 [samples], without fades."""
        return self.untrimmed[self.record.start : self.record.stop]

    @property
    def untrimmed(self) -> np.ndarray:
        """What the model made, float32 [samples]."""
        return self._store.audio(self.record)

    @property
    def semantic_tokens(self) -> np.ndarray:
        """int64 [S], untrimmed."""
        return self._store.codes(self.record).semantic

    @property
    def coarse_codes(self) -> np.ndarray:
        """int64 [2, T], untrimmed."""
        return self._store.codes(self.record).coarse

    @property
    def fine_codes(self) -> np.ndarray:
        """int64 [8, T], untrimmed."""
        return self._store.codes(self.record).fine

    @property
    def voice(self) -> VoicePrompt:
        """What was said as a voice.

        Raises:
            ValueError: if it is too short to be one.
        """
        return VoicePrompt(*self._store.codes(self.record), rules=self._rules)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write its sound as `.wav`, `.flac` or `.ogg`."""
        save_sound(Path(path), [self.audio], self.sampling_rate)

    def to_dict(self) -> dict[str, Any]:
        """What is known of it, for JSON."""
        head, tail = self.trimmed
        return {
            "index": self.index,
            "text": self.text,
            **({"speaker": self.speaker} if self.speaker else {}),
            "start": round(self.start, 4),
            "seconds": round(self.seconds, 4),
            "expected_seconds": self.piece.seconds,
            "trimmed_seconds": [round(head, 4), round(tail, 4)],
            "tokens": self.record.n_tokens,
            "seed": self.seed,
            "version": self.record.version,
            "score": self.score,
            "faults": list(self.faults),
        }

    def __repr__(self) -> str:
        return f"Segment({self.index}, {self.text!r}, start={self.start:.2f}, seconds={self.seconds:.2f})"


__all__ = ["Segment"]
