"""What reading a long text gives: segments that can be heard alone and made again, and the joined sound.

Knows the reader's records and how sounds are joined. Sounds are read from the store when they are asked for.
"""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ..audio import Clipping
from .joining import Join, Place, blocks, places, total_samples
from .reader import Reader
from .segment import Segment
from .sound_file import save_sound
from .store import Record


@dataclass(frozen=True, eq=False, repr=False)
class LongResult:
    """A long text, as it was said. Results are not changed: `retake` and `rejoin` give new ones.

    Attributes:
        reader: made the pieces, and makes them again; in a result from `LongResult.open` without a model it can't.
        records: one per piece.
        join: how they become one sound.
        lead: seconds of silence in front.
        made: the pieces that the call which gave this result has generated, as against those found in its folder.
        unspoken: parts of the text without a letter, digit or tag ("* * *"), where only a pause is.
    """

    reader: Reader
    records: Sequence[Record]
    join: Join
    lead: float
    unspoken: Sequence[str]
    made: Sequence[int]

    @property
    def seed(self) -> int:
        """All segments' seeds come from it, see `take_seed`."""
        return self.reader.seed

    @property
    def sampling_rate(self) -> int:
        """Samples per second."""
        return self.records[0].sampling_rate

    @cached_property
    def _places(self) -> list[Place]:
        lengths = [record.stop - record.start for record in self.records]
        silences = self.join.silences(self.reader.pieces)
        return list(places(lengths, silences, self.sampling_rate, self.join.fade_s, self.lead))

    @cached_property
    def segments(self) -> list[Segment]:
        """One per piece, in order."""
        rate, rules, store = self.sampling_rate, self.reader.maker.rules, self.reader.store
        return [
            Segment(piece, record, place.start / rate, store, rules)
            for piece, record, place in zip(self.reader.pieces, self.records, self._places, strict=True)
        ]

    @property
    def samples(self) -> int:
        """Of the joined sound."""
        return total_samples(self._places)

    @property
    def seconds(self) -> float:
        """Of the joined sound."""
        return self.samples / self.sampling_rate

    @property
    def audio(self) -> np.ndarray:
        """The joined sound, float32 [samples], all of it in memory; see `blocks`."""
        return np.concatenate([*self.blocks(), np.zeros(0, np.float32)])

    def blocks(self) -> Iterator[np.ndarray]:
        """The joined sound in float32 [samples] blocks, one piece in memory at a time."""
        segments = self.segments
        return blocks(self._places, lambda index: segments[index].audio, self.sampling_rate, self.join)

    def save(self, path: str | os.PathLike[str]) -> Clipping:
        """Write the joined sound as `.wav`, `.flac` or `.ogg`, block by block; complete or not at all.

        Returns:
            how many samples were beyond -1..1 and were cut.

        Raises:
            ValueError: for another ending. OSError: if the disk refuses.
        """
        return save_sound(Path(path), self.blocks(), self.sampling_rate)

    @property
    def faults(self) -> dict[int, tuple[str, ...]]:
        """Segments in which the scorer found something wrong."""
        return {record.index: record.faults for record in self.records if record.faults}

    @property
    def stale(self) -> list[int]:
        """Segments that continue a version of another segment that has been made again since."""
        return [
            record.index
            for record in self.records
            if record.source is not None and self.records[record.source].version != record.source_version
        ]

    def retake(self, index: int, seed: int | None = None, followers: bool = False) -> LongResult:
        """Make one segment again; all others stay. In a folder the new version counts from now on.

        Args:
            index: of the segment, from 0.
            seed: of `generate`; None takes seeds that the segment has not had, and as many takes as for the others.
            followers: also make the segments again that continue this one, and those that continue them ("rolling" and
                "hybrid" voices), each with the seed that it has. Without it a warning says which they are.

        Raises:
            TypeError: for an index that is no integer.
            ValueError: for a segment that does not exist, or a result that was opened without a model.
        """
        index = operator.index(index)
        if not 0 <= index < len(self.records):
            raise ValueError(f"there is no segment {index}; there are 0 to {len(self.records) - 1}; give one of them")
        records, made = list(self.records), [index]
        records[index] = self.reader.retake(index, seed, records)
        result = replace(self, records=records, made=made)
        while followers and (stale := result.stale):
            records[stale[0]] = self.reader.retake(stale[0], records[stale[0]].seed, records)
            made.append(stale[0])
            result = replace(result, records=list(records))
        if result.stale:
            old = ", ".join(map(str, result.stale))
            warnings.warn(
                f"segment {index} is new, but {old} continued the old one and may sound different from it: "
                "retake(..., followers=True) makes them again",
                stacklevel=2,
            )
        return result

    def rejoin(self, join: Join) -> LongResult:
        """The same segments joined otherwise."""
        return replace(self, join=join)

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"LongResult({len(self)} segments, seconds={self.seconds:.1f}, seed={self.seed})"


__all__ = ["LongResult"]
