"""A recording, looked through once in blocks: its levels are kept, its samples are not, so hours are no problem.

Knows sound files, arrays, and what makes a recording useless as a whole. Must not know which part is taken
(`stretch`), codecs or tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from ..training.prepare import ClipRules
from ..training.prepare.sound import FRAME_SECONDS, FULL_SCALE, frame_levels_db

PREPARED = ClipRules()  # silence, clipping, levels and rates of speech are judged as `bark-hf prepare` does
_BLOCK_PIECES = 2_000  # 20 s at once


@dataclass(frozen=True)
class RecordingRules:
    """What a recording must be to become a voice; all else is as in `ClipRules`.

    Attributes:
        min_seconds: sound between the silences at both ends.
        max_seconds: of a longer recording the best stretch of at most this length is taken. Of a voice Bark hears
            the last 7 s or less.
        min_snr_db: level of the speech over the level of the pauses.
        loudness_db: root mean square that the voice gets, in dB below full scale; None leaves it. A checkpoint that
            was trained on levelled speech knows that level best.
    """

    min_seconds: float = 1.0
    max_seconds: float = 12.0
    min_snr_db: float = 10.0
    loudness_db: float | None = PREPARED.loudness_db

    def __post_init__(self) -> None:
        if not 0.2 <= self.min_seconds <= self.max_seconds <= 60:
            raise ValueError(
                f"min_seconds={self.min_seconds!r} and max_seconds={self.max_seconds!r} must be in this order within "
                "0.2 to 60."
            )
        if self.loudness_db is not None and not -80 <= self.loudness_db <= 0:
            raise ValueError(f"loudness_db={self.loudness_db!r} must be from -80 to 0, or None.")


class Recording(NamedTuple):
    """What is known of a recording after it was looked through.

    Attributes:
        source: the file, or float32 samples [n].
        label: what messages call it.
        rate: samples per second.
        n_samples: per channel.
        n_channels: of the file.
        levels: float64 [pieces], the level of every 10 ms in dB below full scale.
        clipped: int64 [pieces], samples at full scale in any channel.
    """

    source: Path | np.ndarray
    label: str
    rate: int
    n_samples: int
    n_channels: int
    levels: np.ndarray
    clipped: np.ndarray

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate

    @property
    def piece(self) -> int:
        """Samples of one piece."""
        return _piece(self.rate)

    @property
    def piece_seconds(self) -> float:
        """Length of one piece, about 0.01 s."""
        return self.piece / self.rate

    def samples(self, start: int, end: int) -> np.ndarray:
        """The mean of the channels, float32 [(end - start) * piece], from piece `start` to before `end`."""
        first, last = start * self.piece, min(end * self.piece, self.n_samples)
        if isinstance(self.source, np.ndarray):
            return self.source[first:last]
        with _opened(self.source, self.label) as file:
            file.seek(first)
            return file.read(last - first, dtype="float32", always_2d=True).mean(axis=1, dtype=np.float32)


def look_through(audio: str | Path | np.ndarray, sampling_rate: int | None = None) -> Recording:
    """Read a recording once and refuse what can't be a voice in any part.

    Args:
        audio: a file of any format that libsndfile knows; or mono samples [n], float in -1..1 or integer PCM.
        sampling_rate: of an array, in Hz; a file says it itself.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for what is no sound, is empty, has NaN, is silent, or has a rate below 8,000 Hz.
        TypeError: for an array without `sampling_rate`, or a file with one.
    """
    if isinstance(audio, (str, Path)):
        if sampling_rate is not None:
            raise TypeError(f"sampling_rate={sampling_rate} was given for a file, which says it itself; leave it out.")
        path = Path(audio).expanduser()
        with _opened(path, str(path)) as file:
            rate, n_channels = file.samplerate, file.channels
            _check_rate(rate, str(path))
            blocks = file.blocks(_BLOCK_PIECES * _piece(rate), dtype="float32", always_2d=True)
            return _checked(_scan(path, str(path), rate, n_channels, _readable(blocks, path)))
    if sampling_rate is None:
        raise TypeError("sampling_rate is needed for an array of samples; give it in Hz.")
    samples, label = _mono(audio), "the recording"
    _check_rate(sampling_rate, label)
    size = _BLOCK_PIECES * _piece(sampling_rate)
    parts = (samples[at : at + size, None] for at in range(0, samples.shape[0], size))
    return _checked(_scan(samples, label, sampling_rate, 1, parts))


def _piece(rate: int) -> int:
    return max(round(rate * FRAME_SECONDS), 1)


def _mono(audio: np.ndarray) -> np.ndarray:
    from ..semantic_tokenizer.waveform import as_float32

    samples = as_float32(audio)
    if samples.ndim != 1:
        raise ValueError(
            f"the recording has shape {list(samples.shape)}; mono samples [n] are needed; take the channels' mean"
        )
    return samples


def _opened(path: Path, label: str) -> soundfile.SoundFile:
    if not path.is_file():
        raise FileNotFoundError(f"there is no sound file {label}; check the path")
    try:
        return soundfile.SoundFile(str(path))
    except (soundfile.SoundFileError, OSError) as error:
        raise _unreadable(path, error) from error


def _readable(blocks: Iterator[np.ndarray], path: Path) -> Iterator[np.ndarray]:
    try:
        yield from blocks
    except (soundfile.SoundFileError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    reason = str(error).rpartition(": ")[2].rstrip(".")
    return ValueError(
        f"{path} can't be read as sound ({reason}); WAV, FLAC, OGG and MP3 can; convert it: ffmpeg -i {path.name} "
        f"{path.stem or 'voice'}.wav"
    )


def _check_rate(rate: int, label: str) -> None:
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or rate < PREPARED.min_sampling_rate:
        raise ValueError(
            f"{label} has a sampling rate of {rate!r} Hz; at least {PREPARED.min_sampling_rate} Hz is needed, 24000 Hz "
            "is best; record it again"
        )


def _scan(source: Path | np.ndarray, label: str, rate: int, n_channels: int, blocks: Iterator[np.ndarray]) -> Recording:
    """Levels and clipping of blocks float32 [n, channels], each a whole number of pieces but for the last one."""
    piece, n_samples, bad = _piece(rate), 0, 0
    levels, clipped = [np.empty(0)], [np.empty(0, dtype=np.int64)]
    for block in blocks:
        if not block.shape[0]:
            continue
        n_samples += block.shape[0]
        bad += int((~np.isfinite(block)).any(axis=1).sum())
        block = np.nan_to_num(block)
        full = (np.abs(block).max(axis=1) >= FULL_SCALE).astype(np.int64)
        clipped.append(np.add.reduceat(full, np.arange(0, block.shape[0], piece)))
        levels.append(frame_levels_db(block.mean(axis=1, dtype=np.float32), rate))
    if bad:
        raise ValueError(f"{label} has {bad} samples that are NaN or infinite; numbers are needed; record it again")
    return Recording(source, label, rate, n_samples, n_channels, np.concatenate(levels), np.concatenate(clipped))


def _checked(recording: Recording) -> Recording:
    if not recording.n_samples:
        raise ValueError(f"{recording.label} has no samples; a voice needs a few seconds of speech; record it again")
    loudest = float(recording.levels.max())
    if loudest < PREPARED.min_level_db:
        raise ValueError(
            f"{recording.label} is silent: its loudest 10 ms have {loudest:.0f} dB; at least {PREPARED.min_level_db:g} "
            "dB are needed; check the microphone"
        )
    return recording


__all__ = ["PREPARED", "Recording", "RecordingRules", "look_through"]
