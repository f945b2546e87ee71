"""Sound files: samples -> bytes -> a file that appears complete or not at all.

Knows formats, clipping and file systems; knows no model and no tensor.
"""

from __future__ import annotations

import io
import struct
import tempfile
import uuid
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

# Ending -> libsndfile's format and subtype.
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_BLOCK = 65_536  # samples per call: libsndfile's Vorbis encoder overflows its stack on a few minutes at once


class Clipping(NamedTuple):
    """What did not fit into -1..1.

    Attributes:
        samples: how many samples were cut.
        peak: the largest absolute value before.
    """

    samples: int
    peak: float


def sound_suffix(path: Path) -> str:
    """The ending of `path` that says the format.

    Raises:
        ValueError: for an ending that is not in `FORMATS`.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        said = f"ends in {path.suffix!r}" if path.suffix else "has no ending"
        raise ValueError(f"{path} {said}; sound is written as {', '.join(FORMATS)}; rename it")
    return suffix


def clip(audio: np.ndarray) -> tuple[np.ndarray, Clipping]:
    """Cut samples at -1 and 1.

    Args:
        audio: float [samples].

    Raises:
        ValueError: for samples that are no numbers.
    """
    if not np.isfinite(audio).all():
        bad = int((~np.isfinite(audio)).sum())
        raise ValueError(
            f"{bad} of {audio.size} samples are NaN or infinite; sound needs finite numbers; use float32 weights"
        )
    size = np.abs(audio)
    return audio.clip(-1.0, 1.0), Clipping(int((size > 1.0).sum()), float(size.max(initial=0.0)))


def encode(audio: np.ndarray, sampling_rate: int, suffix: str = ".wav") -> bytes:
    """A sound file's content.

    Args:
        audio: float [samples], -1..1.
        sampling_rate: samples per second.
        suffix: a key of `FORMATS`.
    """
    kind, subtype = FORMATS[suffix]
    audio = to_int16(audio) if subtype == "PCM_16" else audio
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", sampling_rate, channels=1, format=kind, subtype=subtype) as file:
        for start in range(0, audio.shape[0], _BLOCK):
            file.write(audio[start : start + _BLOCK])
    return buffer.getvalue()


def encode_exactly(audio: np.ndarray, sampling_rate: int) -> bytes:
    """A WAV of 32-bit floats, mono: the samples as they are, and equal bytes for equal samples.

    libsndfile's has a PEAK chunk, in which the second of writing stands.

    Args:
        audio: float32 [samples].
        sampling_rate: samples per second.
    """
    samples = audio.astype("<f4").tobytes()
    layout = struct.pack("<IHHIIHHH", 18, 3, 1, sampling_rate, 4 * sampling_rate, 4, 32, 0)  # 3: IEEE float
    fact = b"fact" + struct.pack("<II", 4, audio.shape[0])
    content = b"WAVEfmt " + layout + fact + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(content)) + content


def to_int16(audio: np.ndarray) -> np.ndarray:
    """The nearest 16-bit samples, 1.0 being 32,768; libsndfile rounds down, which adds a constant.

    Args:
        audio: float [samples], -1..1.
    """
    return np.rint(audio * 32768.0).clip(-32768, 32767).astype(np.int16)


def check_target(path: Path) -> None:
    """Find out whether a file can be written at `path`, before the work of making it.

    Raises:
        OSError: if `path` is no place for a file: what is wrong, and what to do.
    """
    folder = path.parent
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; a file is written; name a file in it")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is not an ordinary file; only files are replaced; choose another name")
    if not folder.is_dir():
        raise FileNotFoundError(f"the folder {folder} of {path.name} does not exist; create it first")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise PermissionError(
            f"the folder {folder} can't be written ({error.strerror}); {path.name} goes there; choose another folder"
        ) from error


def write_file(path: Path, content: bytes) -> None:
    """Write `content` beside `path` under a hidden name, then move it there; what a link points at is replaced.

    Raises:
        OSError: if the disk refuses; `path` is then as it was before.
    """
    target = path.resolve()
    temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    except OSError as error:
        raise OSError(f"{path} can't be written ({error.strerror}); nothing was left behind; make room") from error
    finally:
        temporary.unlink(missing_ok=True)


__all__ = [
    "FORMATS",
    "Clipping",
    "check_target",
    "clip",
    "encode",
    "encode_exactly",
    "sound_suffix",
    "to_int16",
    "write_file",
]
