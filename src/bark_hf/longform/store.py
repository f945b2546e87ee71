"""Where finished pieces are kept. Knows takes and what is recorded of them; this one keeps them in memory.

A piece that is made again gets another version and the old one stays, so a result that was made of it stays valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ..voices import VoicePrompt
from .takes import Take


class Codes(NamedTuple):
    """The tokens of a piece: semantic int64 [S], coarse int64 [2, T], fine int64 [8, T]."""

    semantic: np.ndarray
    coarse: np.ndarray
    fine: np.ndarray


@dataclass(frozen=True)
class Record:
    """What is noted of a finished piece.

    Attributes:
        index: of the piece, from 0.
        version: 0, and one more for each retake.
        seed: of `generate`.
        score, faults: see `Score`.
        hit_limit: see `Take`.
        samples, sampling_rate: of the whole take.
        start, stop: the samples that are kept, [start, stop).
        n_tokens: semantic tokens.
        source, source_version: the piece whose sound it continues; None if it continues the speaker's own voice.
    """

    index: int
    version: int
    seed: int
    score: float
    faults: tuple[str, ...]
    hit_limit: bool
    samples: int
    sampling_rate: int
    start: int
    stop: int
    n_tokens: int
    source: int | None = None
    source_version: int | None = None


class Store(Protocol):
    """Keeps pieces and the voices of the speakers."""

    def put(self, record: Record, take: Take) -> None:
        """Keep a piece; it is its index's newest from now on."""

    def audio(self, record: Record) -> np.ndarray:
        """The whole take, float32 [samples]."""

    def codes(self, record: Record) -> Codes:
        """Its tokens."""

    def put_voice(self, speaker: str, voice: VoicePrompt) -> None:
        """Keep a speaker's voice."""


class MemoryStore:
    """A `Store` in memory: about 100 kB per second of sound at 24 kHz."""

    def __init__(self) -> None:
        self._takes: dict[tuple[int, int], Take] = {}

    def put(self, record: Record, take: Take) -> None:
        """See `Store`."""
        self._takes[record.index, record.version] = take

    def audio(self, record: Record) -> np.ndarray:
        """See `Store`."""
        return self._takes[record.index, record.version].audio

    def codes(self, record: Record) -> Codes:
        """See `Store`."""
        take = self._takes[record.index, record.version]
        return Codes(take.semantic, take.coarse, take.fine)

    def put_voice(self, speaker: str, voice: VoicePrompt) -> None:
        """The reader has it already."""


__all__ = ["Codes", "MemoryStore", "Record", "Store"]
