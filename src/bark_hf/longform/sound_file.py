"""Blocks of sound -> a file that appears complete or not at all. Knows formats and the disk; knows no piece."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from ..audio import FORMATS, Clipping, check_target, clip, sound_suffix, to_int16

_BLOCK = 65_536  # samples per call: libsndfile's Vorbis encoder overflows its stack on a few minutes at once
MOST_WAV_BYTES = 2**32 - 2**16  # a WAV's sizes have 32 bits


def save_sound(path: Path, blocks: Iterable[np.ndarray], sampling_rate: int) -> Clipping:
    """Write float32 [samples] blocks in a row, cut at -1 and 1, under a hidden name that is then moved to `path`.

    Raises:
        ValueError: for an ending that is no format, or a WAV of more than 4 GiB (24 hours at 24 kHz).
        OSError: if the disk refuses; `path` is then as it was before.
    """
    suffix = sound_suffix(path)
    check_target(path)
    target = path.resolve()
    temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
    kind, subtype = FORMATS[suffix]
    cut, peak, written = 0, 0.0, 0
    try:
        with soundfile.SoundFile(str(temporary), "w", sampling_rate, channels=1, format=kind, subtype=subtype) as file:
            for block in blocks:
                audio, clipping = clip(block)
                cut, peak = cut + clipping.samples, max(peak, clipping.peak)
                written += audio.shape[0]
                if kind == "WAV" and 2 * written > MOST_WAV_BYTES:
                    raise ValueError(f"{path} would exceed 4 GiB, the limit of a WAV; name it {path.stem}.flac")
                for at in range(0, audio.shape[0], _BLOCK):
                    part = audio[at : at + _BLOCK]
                    file.write(to_int16(part) if subtype == "PCM_16" else part)
        temporary.replace(target)
    except soundfile.LibsndfileError as error:  # libsndfile says only "System error" for what the disk refuses
        raise OSError(errno.EIO, f"{path} can't be written ({error}); nothing was left behind; make room") from error
    except OSError as error:
        raise OSError(f"{path} can't be written ({error.strerror}); nothing was left behind; make room") from error
    finally:
        temporary.unlink(missing_ok=True)
    return Clipping(cut, peak)


__all__ = ["save_sound"]
