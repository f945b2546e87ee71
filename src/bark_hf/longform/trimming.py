"""What a take says beyond its words: silence at both ends, and quiet noises after the last word. Knows samples alone.

Conservative: a frame counts as speech from 35 dB below the take's loud frames on, and some sound is kept around it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FRAME_SECONDS = 0.01
BELOW_SPEECH_DB = 35.0  # of the frames that are louder than 95 % of all
SILENCE_DB = -60.0  # of full scale: below it everything is silence
KEEP_BEFORE, KEEP_AFTER = 0.05, 0.12  # seconds around speech; consonants begin and end below the threshold
# An invented noise after the last word: apart from it, short, and much quieter than speech.
GAP_SECONDS, NOISE_SECONDS, NOISE_BELOW_DB = 0.4, 0.35, 18.0


class Span(NamedTuple):
    """The samples that are kept, [start, stop)."""

    start: int
    stop: int


def speech_span(audio: np.ndarray, rate: int, ends_with_sound: bool = False) -> Span:
    """Where a take's speech is.

    Args:
        audio: float32 [samples] at `rate` Hz.
        rate: samples per second.
        ends_with_sound: the text ends with a tag or a note, so that a quiet noise at the end is meant.

    Returns:
        everything, if nothing in it is louder than silence.
    """
    levels = frame_levels_db(audio, rate)
    if not levels.size or levels.max() < SILENCE_DB:
        return Span(0, audio.shape[0])
    loud = float(np.quantile(levels[levels >= SILENCE_DB], 0.95))
    speech = np.flatnonzero(levels >= max(loud - BELOW_SPEECH_DB, SILENCE_DB))
    if not ends_with_sound:
        speech = _without_noise(speech, levels, loud)
    frame = _frame(rate)
    start = int(speech[0]) * frame - round(KEEP_BEFORE * rate)
    stop = (int(speech[-1]) + 1) * frame + round(KEEP_AFTER * rate)
    last = audio.shape[0] if speech[-1] == levels.size - 1 else min(audio.shape[0], stop)
    return Span(max(0, start), last)


def _without_noise(speech: np.ndarray, levels: np.ndarray, loud: float) -> np.ndarray:
    gaps = np.flatnonzero(np.diff(speech) > GAP_SECONDS / FRAME_SECONDS)
    if not gaps.size:
        return speech
    tail = speech[gaps[-1] + 1 :]
    short = tail[-1] - tail[0] < NOISE_SECONDS / FRAME_SECONDS
    quiet = levels[tail].max() < loud - NOISE_BELOW_DB
    return speech[: gaps[-1] + 1] if short and quiet else speech


def frame_levels_db(audio: np.ndarray, rate: int) -> np.ndarray:
    """RMS of each 10 ms in dB of full scale, float64 [frames]; the last frame may be shorter, none is left out."""
    frame = _frame(rate)
    sums = np.add.reduceat(audio.astype(np.float64) ** 2, np.arange(0, audio.shape[0], frame)) if audio.size else audio
    sizes = np.full(sums.shape[0], frame, dtype=np.float64)
    if audio.size:
        sizes[-1] = audio.shape[0] - frame * (sums.shape[0] - 1)
    return 10 * np.log10(np.maximum(sums / np.maximum(sizes, 1), 1e-20))


def _frame(rate: int) -> int:
    return max(1, round(FRAME_SECONDS * rate))


__all__ = ["Span", "frame_levels_db", "speech_span"]
