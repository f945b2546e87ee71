"""Pieces of sound -> one sound, block by block: pauses, cross-fades, loudness. Knows samples and seconds alone.

Where every piece begins follows from lengths alone, so a sound of hours needs the memory of one piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from ..generation_options import is_number, require
from .marks import LONGEST_PAUSE
from .splitting import Piece
from .trimming import SILENCE_DB, frame_levels_db

LOUDEST_PEAK = 0.98
MOST_GAIN_DB = 20.0
LONGEST_FADE = 0.1


@dataclass(frozen=True)
class Pauses:
    """Seconds of silence behind a piece, by what ends there. Pause marks in the text win over them.

    Attributes:
        paragraph, sentence, clause: where the text has such an end.
        word: within a clause that was too long; the sounds are cross-faded.
        speech: where the speaker changes in a dialogue.

    Raises:
        ValueError: for a negative number, or more than ten minutes.
    """

    paragraph: float = 0.7
    sentence: float = 0.3
    clause: float = 0.12
    word: float = 0.0
    speech: float = 0.45

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            ok = is_number(value) and 0 <= value <= LONGEST_PAUSE
            require(ok, f"pause {field.name}", value, f"a number of seconds from 0 to {LONGEST_PAUSE:g}")


@dataclass(frozen=True)
class Join:
    """How pieces become one sound.

    Attributes:
        pauses: see `Pauses`.
        fade_s: seconds of each fade, of equal power; pieces without a pause between them overlap by it.
        level_db: bring every piece to this level of its speech, in dB of full scale (-20 is common); None leaves it.

    Raises:
        ValueError: for a fade outside 0..0.1 s or a level above 0.
    """

    pauses: Pauses = Pauses()
    fade_s: float = 0.005
    level_db: float | None = None

    def __post_init__(self) -> None:
        ok = is_number(self.fade_s) and 0 <= self.fade_s <= LONGEST_FADE
        require(ok, "fade_s", self.fade_s, f"a number of seconds from 0 to {LONGEST_FADE:g}")
        ok = self.level_db is None or (is_number(self.level_db) and -60 <= self.level_db <= 0)
        require(ok, "level_db", self.level_db, "a number of decibels from -60 to 0", "None leaves the loudness.")

    def silence_after(self, after: str, marked: float | None) -> float:
        """Seconds of silence behind a piece: of its pause marks, or by what ends there."""
        return getattr(self.pauses, after) if marked is None else marked

    def silences(self, pieces: Sequence[Piece]) -> list[float]:
        """Seconds of silence behind every piece; behind the last word only what is marked."""
        found = [self.silence_after(piece.after, piece.silence) for piece in pieces]
        if pieces[-1].silence is None:
            found[-1] = 0.0
        return found


class Place(NamedTuple):
    """Where a piece is in the joined sound, in samples.

    Attributes:
        start, length: of the piece; it overlaps the one before it by `overlap`.
        overlap: samples.
        silence: samples of silence behind it.
    """

    start: int
    length: int
    overlap: int
    silence: int


def places(
    lengths: Iterable[int], silences: Iterable[float], rate: int, fade_s: float, lead_s: float
) -> Iterator[Place]:
    """Where every piece goes; a place is known as soon as its piece's length is.

    Args:
        lengths: samples of each piece; an empty one takes no place, its pause stays.
        silences: seconds behind each.
        rate: samples per second.
        fade_s: see `Join`.
        lead_s: silence in front of the first piece.
    """
    at, quiet = round(lead_s * rate), True  # whether there is silence in front of `at`
    before = 0  # samples of the piece before that nothing overlaps yet
    for length, seconds in zip(lengths, silences, strict=True):
        overlap = 0 if quiet else min(round(fade_s * rate), length, before)
        silence = round(seconds * rate)
        yield Place(at - overlap, length, overlap, silence)
        at += length - overlap + silence
        quiet = silence > 0 or (quiet and not length)
        before = length - overlap


def total_samples(found: Sequence[Place]) -> int:
    """Samples of the joined sound."""
    return found[-1].start + found[-1].length + found[-1].silence if found else 0


def blocks(found: Iterable[Place], load: Callable[[int], np.ndarray], rate: int, join: Join) -> Iterator[np.ndarray]:
    """The joined sound as float32 [samples] blocks; one piece is loaded at a time.

    A place is asked for when everything in front of it is out, but for the samples that its piece may overlap: the
    last `fade_s` of a piece without a pause behind it. So `found` may wait for pieces that are being made.

    Args:
        found: see `places`.
        load: gives piece i, float32 [samples].
    """
    fade = round(join.fade_s * rate)
    held: _End | None = None
    for number, place in enumerate(found):
        if number == 0 and place.start:
            yield np.zeros(place.start, np.float32)
        kept = np.zeros(0, np.float32)  # the end of the piece before, which this one overlaps
        if held is not None:
            block, kept = held.close(place.overlap, fade)
            if block.size:
                yield block
        audio = _at_level(load(number), rate, join.level_db)
        assert audio.shape[0] == place.length
        audio = _risen(audio, place.overlap or fade)
        added = np.zeros_like(audio)
        added[: place.overlap] = kept
        split = max(0, place.length - fade)
        if split:
            yield audio[:split] + added[:split]
        held = _End(audio[split:], added[split:])
        if place.silence:
            block, _ = held.close(0, fade)
            held = None
            if block.size:
                yield block
            yield np.zeros(place.silence, np.float32)
    if held is not None:
        block, _ = held.close(0, fade)
        if block.size:
            yield block


class _End(NamedTuple):
    """The last samples of a piece, whose fall depends on the next piece.

    Attributes:
        audio: float32 [n]; they have risen, but not fallen.
        added: float32 [n], what of the piece before lies over them.
    """

    audio: np.ndarray
    added: np.ndarray

    def close(self, overlap: int, fade: int) -> tuple[np.ndarray, np.ndarray]:
        """What is finished, and the `overlap` samples that the next piece is laid over."""
        fall, audio = min(overlap or fade, self.audio.shape[0]), self.audio.copy()
        if fall:
            audio[audio.shape[0] - fall :] *= _quarter(fall)[::-1]
        audio += self.added
        return audio[: audio.shape[0] - overlap], audio[audio.shape[0] - overlap :]


def _risen(audio: np.ndarray, rise: int) -> np.ndarray:
    """A copy that begins as a quarter of a sine; ends fall so too: two that overlap have the same power throughout."""
    audio = np.array(audio, dtype=np.float32)
    rise = min(rise, audio.shape[0])
    if rise:
        audio[:rise] *= _quarter(rise)
    return audio


def _quarter(n: int) -> np.ndarray:
    return np.sin((np.arange(n) + 0.5) / n * math.pi / 2).astype(np.float32)


def _at_level(audio: np.ndarray, rate: int, level_db: float | None) -> np.ndarray:
    """The piece at a level, its gain limited to +-20 dB and so that no sample is beyond 0.98."""
    levels = frame_levels_db(audio, rate) if level_db is not None else np.zeros(0)
    speech = levels[levels >= max(SILENCE_DB, float(levels.max(initial=SILENCE_DB)) - 30)]
    if level_db is None or not speech.size:
        return audio
    mean = 10 * math.log10(float(np.mean(10 ** (speech / 10))))
    gain = 10 ** (min(MOST_GAIN_DB, max(-MOST_GAIN_DB, level_db - mean)) / 20)
    peak = float(np.abs(audio).max())
    return audio * np.float32(min(gain, max(1.0, LOUDEST_PEAK / peak)) if gain > 1 else gain)


__all__ = ["Join", "Pauses", "Place", "blocks", "places", "total_samples"]
