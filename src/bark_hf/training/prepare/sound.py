"""Sound before it is encoded: from a file's samples to one channel at the codec's rate, trimmed and levelled.

Knows samples, decibels and soundfile. Must not know texts, tokens, codecs, or which clips are refused.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

FULL_SCALE = 0.999  # samples from here on count as cut off by the recorder; 16-bit sound reaches 0.99997
FRAME_SECONDS = 0.01  # loudness is looked at in pieces of this length
MIN_LEVEL_DB = -120.0  # what digital silence is called, in place of minus infinity


class Recording(NamedTuple):
    """A sound file's content.

    Attributes:
        samples: float32 [n], the mean of the channels.
        sampling_rate: samples per second.
        n_channels: channels of the file.
        clipped: share of the samples that are at full scale in any channel.
    """

    samples: np.ndarray
    sampling_rate: int
    n_channels: int
    clipped: float

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples.shape[0] / self.sampling_rate


def file_seconds(sound: Path | bytes) -> float:
    """A sound file's length by its header, without reading its samples.

    Raises:
        FileNotFoundError: if there is no such file. soundfile.LibsndfileError: for what is no sound file.
    """
    with soundfile.SoundFile(_opened(sound)) as file:
        return file.frames / file.samplerate


def read_sound(sound: Path | bytes) -> Recording:
    """Read a sound file of any format that libsndfile knows (WAV, FLAC, OGG, MP3, ...).

    Args:
        sound: a path, or the file's content.

    Raises:
        FileNotFoundError: if there is no such file. soundfile.LibsndfileError: for what is no sound file.
    """
    samples, rate = soundfile.read(_opened(sound), dtype="float32", always_2d=True)  # [n, channels]
    loudest = np.abs(samples).max(axis=1)  # [n]
    clipped = float((loudest >= FULL_SCALE).mean()) if samples.shape[0] else 0.0
    return Recording(samples.mean(axis=1, dtype=np.float32), rate, samples.shape[1], clipped)


def _opened(sound: Path | bytes) -> io.BytesIO | str:
    if isinstance(sound, Path) and not sound.is_file():
        raise FileNotFoundError(f"{sound} does not exist")
    return io.BytesIO(sound) if isinstance(sound, bytes) else str(sound)


def resample(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Band-limited resampling by soxr ("HQ"); n samples become about n * new_rate / rate.

    Args:
        samples: float32 [n]. rate, new_rate: samples per second.
    """
    return samples if rate == new_rate else soxr.resample(samples, rate, new_rate, quality="HQ")


def level_db(samples: np.ndarray) -> float:
    """Root mean square in dB below full scale (a square wave of height 1 is 0 dB); at least -120."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    return max(10 * math.log10(power), MIN_LEVEL_DB) if power > 0 else MIN_LEVEL_DB


def frame_levels_db(samples: np.ndarray, rate: int) -> np.ndarray:
    """The level of each piece of `FRAME_SECONDS`; the last one may be shorter.

    Returns:
        float64 [ceil(n / piece)].
    """
    piece = max(round(rate * FRAME_SECONDS), 1)
    starts = np.arange(0, samples.shape[0], piece)
    if not starts.size:
        return np.empty(0)
    powers = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
    sizes = np.minimum(samples.shape[0] - starts, piece)
    return 10 * np.log10(np.maximum(powers / sizes, 10 ** (MIN_LEVEL_DB / 10)))


def speech_span(samples: np.ndarray, rate: int, below_peak_db: float, margin_seconds: float) -> tuple[float, float]:
    """Where the sound is: from the first to the last piece that is loud enough, and a margin on both sides.

    Args:
        samples: float [n]. rate: samples per second.
        below_peak_db: pieces this far below the loudest piece, or further, are silence.
        margin_seconds: what is kept of the silence at each end.

    Returns:
        start and end in seconds, within the sound.
    """
    levels = frame_levels_db(samples, rate)
    total = samples.shape[0] / rate
    if not levels.size:
        return 0.0, total
    loud = np.flatnonzero(levels > levels.max() - below_peak_db)
    piece = max(round(rate * FRAME_SECONDS), 1) / rate
    if not loud.size:
        return 0.0, total
    return max(loud[0] * piece - margin_seconds, 0.0), min((loud[-1] + 1) * piece + margin_seconds, total)


def levelled(samples: np.ndarray, target_db: float, peak_db: float) -> np.ndarray:
    """The sound at another loudness: its root mean square at `target_db`, unless a peak would exceed `peak_db`.

    Args:
        samples: float32 [n], not silent. target_db, peak_db: dB relative to full scale.
    """
    gain_db = min(target_db - level_db(samples), peak_db - 20 * math.log10(float(np.abs(samples).max())))
    return samples * np.float32(10 ** (gain_db / 20))
