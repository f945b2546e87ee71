"""Which part of a recording becomes the voice: as much unclipped speech as fits, from pause to pause.

Knows levels per 10 ms. Must not know samples, files, codecs or tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..training.prepare.sound import FRAME_SECONDS, MIN_LEVEL_DB
from .recording import PREPARED, Recording, RecordingRules

PAUSE_SECONDS = 0.2  # silence that is a border between phrases
_LEAST_CONTRAST_DB = 6.0  # below this, loud and quiet pieces can't be told apart
_CUT_COST_SECONDS = 1.0  # of speech that is given up to end in a pause and not within a word
_CLIPPED_COST_PIECES = 50  # of speech that is given up for each clipped piece
_STEP_SECONDS = 0.5  # of windows within one long phrase
_FLOOR_PERCENTILE = 10  # of the levels: what the background has


class Stretch(NamedTuple):
    """The part that was chosen.

    Attributes:
        start, end: in pieces of 10 ms.
        snr_db: level of its speech over that of its quietest pieces; at most 99.
        cut: whether it begins or ends within speech.
    """

    start: int
    end: int
    snr_db: float
    cut: bool


def best_stretch(recording: Recording, rules: RecordingRules) -> Stretch:
    """The stretch with the most speech, of at most `max_seconds` with its margins.

    Raises:
        ValueError: if there is too little sound, or the best part is clipped or noisy.
    """
    speech = speech_pieces(recording.levels)
    start, end, cut = _longest(recording, speech, rules)
    margin = _pieces(PREPARED.margin_seconds)
    start, end = max(start - margin, 0), min(end + margin, recording.levels.shape[0])
    seconds = min((end - start) * recording.piece_seconds, recording.seconds)
    if seconds < rules.min_seconds:
        raise ValueError(
            f"{recording.label} has {seconds:.2f} s of speech in one piece (the file is {recording.seconds:.2f} s "
            f"long); at least {rules.min_seconds:g} s are needed, 5 to 12 s are best; record more"
        )
    share = float(recording.clipped[start:end].sum()) / ((end - start) * recording.piece)
    if share > PREPARED.max_clipped:
        raise ValueError(
            f"{recording.label} is clipped: {share:.2%} of the samples are at full scale; at most "
            f"{PREPARED.max_clipped:.2%} may be; record it again with the level turned down"
        )
    snr = _snr_db(recording.levels[start:end], speech[start:end])
    if snr < rules.min_snr_db:
        raise ValueError(
            f"{recording.label} is too noisy: its speech is {snr:.0f} dB above its pauses; at least "
            f"{rules.min_snr_db:g} dB are needed; record it nearer to the microphone, without music or a fan"
        )
    return Stretch(start, end, snr, cut)


def speech_pieces(levels: np.ndarray) -> np.ndarray:
    """Which pieces are louder than the background: bool [pieces].

    The border is 40 dB below the loudest piece, as in preparation, or a third of the way up from the background's
    level, whichever is higher. Where all pieces are nearly equal, all of them count.
    """
    floor, top = float(np.percentile(levels, _FLOOR_PERCENTILE)), float(levels.max())
    if top - floor < _LEAST_CONTRAST_DB:
        return np.ones(levels.shape, dtype=bool)
    return levels > max(top - PREPARED.silence_db, floor + (top - floor) / 3)


def spoken_seconds(recording: Recording) -> float:
    """From the first to the last speech of the whole recording."""
    loud = np.flatnonzero(speech_pieces(recording.levels))
    return float(loud[-1] + 1 - loud[0]) * recording.piece_seconds


def _pieces(seconds: float) -> int:
    return round(seconds / FRAME_SECONDS)


def _longest(recording: Recording, speech: np.ndarray, rules: RecordingRules) -> tuple[int, int, bool]:
    """Start, end and whether it was cut; the first of equals."""
    most = _pieces(rules.max_seconds - 2 * PREPARED.margin_seconds)
    spoken = np.concatenate([[0], np.cumsum(speech)])
    clipped = np.concatenate([[0], np.cumsum(recording.clipped > 0)])

    def worth(candidate: tuple[int, int, int]) -> float:
        start, end, cuts = candidate
        cost = _CLIPPED_COST_PIECES * (clipped[end] - clipped[start]) + cuts * _pieces(_CUT_COST_SECONDS)
        return float(spoken[end] - spoken[start] - cost)

    start, end, cuts = max(_candidates(_phrases(speech), most), key=worth)
    return start, end, cuts > 0


def _phrases(speech: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of what is between pauses."""
    loud = np.flatnonzero(speech)
    breaks = np.flatnonzero(np.diff(loud) > _pieces(PAUSE_SECONDS))
    return list(zip(loud[np.r_[0, breaks + 1]].tolist(), (loud[np.r_[breaks, -1]] + 1).tolist(), strict=True))


def _candidates(phrases: list[tuple[int, int]], most: int) -> Iterator[tuple[int, int, int]]:
    """Start, end and number of ends within speech, of all runs of phrases that fit and of windows in longer ones."""
    for number, (start, stop) in enumerate(phrases):
        for at in range(start, stop - most, _pieces(_STEP_SECONDS)):
            yield at, at + most, int(at > start) + 1
        if stop - start > most:
            yield stop - most, stop, 1
        for _, end in phrases[number:]:
            if end - start > most:
                break
            yield start, end, 0


def _snr_db(levels: np.ndarray, speech: np.ndarray) -> float:
    loud = 10 * np.log10(np.mean(10 ** (levels[speech] / 10)))
    return float(min(loud - max(np.percentile(levels, _FLOOR_PERCENTILE / 2), MIN_LEVEL_DB), 99.0))


__all__ = ["PAUSE_SECONDS", "Stretch", "best_stretch", "speech_pieces", "spoken_seconds"]
