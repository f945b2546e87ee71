"""Sound files -> mono samples at a wanted rate. Knows files and rates; knows no model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .packages import needed


def read_sound(path: Path) -> tuple[np.ndarray, int]:
    """A sound file as one channel.

    Args:
        path: any format that libsndfile reads; several channels are averaged.

    Returns:
        float32 [samples] in -1..1, and samples per second.

    Raises:
        ValueError: for a file that is missing, unreadable or without samples.
    """
    import soundfile

    if not path.is_file():
        raise ValueError(f"there is no sound file {path}; check the path")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        reason = str(error).rstrip(".").rpartition(": ")[2]
        raise ValueError(f"{path} can't be read as sound ({reason}); convert it to WAV or FLAC") from error
    if samples.shape[0] == 0:
        raise ValueError(f"{path} has no samples; at least one is needed; leave it out or record it again")
    if not np.isfinite(samples).all():
        raise ValueError(f"{path} has samples that are NaN or infinite; sound needs finite numbers; make it again")
    return samples.mean(axis=1), int(rate)


def at_rate(audio: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples at another rate: float32 [n] at `rate` Hz -> float32 [about n * wanted / rate], by soxr at its best."""
    if rate == wanted:
        return audio
    return needed("soxr", "resampling").resample(audio, rate, wanted, quality="VHQ").astype(np.float32)
