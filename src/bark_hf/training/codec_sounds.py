"""Sound for codec training: which files there are, and random crops of them, read when they are asked for.

Knows files, lengths and crops; knows neither texts nor codes.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
from torch.utils.data import Dataset

from .prepare.options import ClipRules
from .prepare.sound import levelled, resample, speech_span

ENDINGS = {".wav", ".flac", ".ogg", ".mp3"}
WINDOW_SECONDS = 30.0  # of a longer recording, this much is read around a crop
_MARGIN_SECONDS = 0.02  # read on both sides of a crop, so that resampling has no edge inside it
_RULES = ClipRules()  # trimmed and levelled as `bark-hf prepare` does it, or codes would meet other sound in use
logger = logging.getLogger(__name__)


class Sound(NamedTuple):
    """A readable file.

    Attributes:
        path: absolute.
        seconds: its length.
    """

    path: str
    seconds: float


def find_sounds(folder: str | Path, index: Path | None = None) -> list[Sound]:
    """All sound files below a folder of at least half a second, sorted by path.

    Unreadable ones are named in a warning and left out.

    Args:
        folder: searched with its subfolders; a `metadata` file beside the sound isn't needed.
        index: JSON file that remembers lengths; read where sizes and times still fit, then written anew.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it holds no readable sound.
    """
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder; give a folder with sound files ({', '.join(sorted(ENDINGS))}).")
    known = _read_index(index)
    entries: dict[str, list[float]] = {}
    refused = []
    for path in sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()):
        stat = path.stat()
        before = known.get(str(path))
        if before is None or before[:2] != [stat.st_size, stat.st_mtime]:
            try:
                info = soundfile.info(str(path))
                before = [stat.st_size, stat.st_mtime, info.frames / info.samplerate]
            except soundfile.LibsndfileError:
                refused.append(str(path))
                continue
        entries[str(path)] = before
    if refused:
        logger.warning("%d of %d files can't be read and are left out: %s", len(refused), len(refused) + len(entries),
                       ", ".join(refused[:5]) + (", ..." if len(refused) > 5 else ""))  # fmt: skip
    sounds = [Sound(path, entry[2]) for path, entry in entries.items() if entry[2] >= _RULES.min_seconds]
    if not sounds:
        raise ValueError(
            f"{root} has no readable sound of at least {_RULES.min_seconds} s ({len(refused)} files broken, "
            f"{len(entries)} too short); give a folder with {', '.join(sorted(ENDINGS))} files."
        )
    if index is not None:
        index.write_text(json.dumps(entries), encoding="utf-8")
    return sounds


def _read_index(index: Path | None) -> dict[str, list[float]]:
    if index is None:
        return {}
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def split_sounds(sounds: list[Sound], fraction: float, most: int, seed: int) -> tuple[list[Sound], list[Sound]]:
    """Files to train on and files to evaluate on: at least one unless `fraction` is 0, and at most `most`.

    Raises:
        ValueError: if there is one file only, which can't be split.
    """
    if fraction == 0:
        return sounds, []
    if len(sounds) < 2:
        raise ValueError("1 sound file can't be split; evaluation needs 2; set eval_fraction: 0.")
    ranked = sorted(sounds, key=lambda sound: hashlib.sha256(f"{seed}:{Path(sound.path).name}".encode()).digest())
    held_out = set(ranked[: min(most, len(sounds) - 1, max(1, round(fraction * len(sounds))))])
    return [sound for sound in sounds if sound not in held_out], sorted(held_out)


def _read(sound: Sound, rng: np.random.Generator) -> tuple[np.ndarray, int] | None:
    """A recording, or a random 30 s of it: trimmed, levelled float32 [n] and its rate; None for what is no sound."""
    try:
        with soundfile.SoundFile(sound.path) as file:
            window = int(WINDOW_SECONDS * file.samplerate)
            if file.frames > window:
                file.seek(int(rng.integers(file.frames - window)))
            samples = file.read(window, dtype="float32", always_2d=True).mean(axis=1, dtype=np.float32)
            rate = file.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        logger.warning("%s can't be read (%s); another file takes its place", sound.path, error)
        return None
    if not np.isfinite(samples).all():
        logger.warning("%s has NaN or infinite samples; another file takes its place", sound.path)
        return None
    if not samples.any():  # silence has no level and no ends
        return samples, rate
    start, end = speech_span(samples, rate, _RULES.silence_db, _RULES.margin_seconds)
    samples = samples[int(start * rate) : int(end * rate)]
    assert _RULES.loudness_db is not None
    return levelled(samples, _RULES.loudness_db, _RULES.peak_db), rate


class SoundCrops(Dataset):
    """One crop of each file per epoch, a function of (seed, epoch, file), whoever reads it when.

    An item is asked for by (epoch, file number, ...), as `RunOrder` gives it, or by the file's number alone for epoch
    0, as an evaluation does. It is {"input_values": float32 [1, crop_samples]}, padded with zeros if the file is short.

    Args:
        sounds: from `find_sounds`.
        sampling_rate: what the crops are resampled to.
        crop_samples: their length at that rate.
        seed: of the places.
    """

    def __init__(self, sounds: list[Sound], sampling_rate: int, crop_samples: int, seed: int = 0):
        self.sounds, self.sampling_rate, self.crop_samples, self.seed = sounds, sampling_rate, crop_samples, seed

    def __len__(self) -> int:
        return len(self.sounds)

    def __getitem__(self, place: int | tuple[Any, ...]) -> dict[str, torch.Tensor]:
        epoch, index = (0, place) if isinstance(place, int) else place[:2]
        rng = np.random.default_rng((self.seed, epoch, index))
        for attempt in range(len(self.sounds)):
            read = _read(self.sounds[(index + attempt) % len(self.sounds)], rng)
            if read is not None:
                return {"input_values": torch.from_numpy(self._crop(*read, rng))[None]}
        raise ValueError(f"none of {len(self.sounds)} sound files can be read any more; were they removed?")

    def _crop(self, samples: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
        length, margin = round(self.crop_samples * rate / self.sampling_rate), round(_MARGIN_SECONDS * rate)
        start = int(rng.integers(max(1, len(samples) - length)))
        first = max(0, start - margin)
        piece = resample(samples[first : start + length + margin], rate, self.sampling_rate)
        offset = round((start - first) * self.sampling_rate / rate)
        piece = piece[offset : offset + self.crop_samples]
        return np.pad(piece, (0, self.crop_samples - len(piece))).astype(np.float32, copy=False)


def whole_sounds(sounds: list[Sound], sampling_rate: int, seconds: float, seed: int) -> Iterator[np.ndarray]:
    """Recordings in random order, at most 30 s of each, until `seconds` of sound have been given.

    Yields:
        float32 [n] at `sampling_rate`.
    """
    rng = np.random.default_rng((seed, len(sounds)))
    given = 0.0
    for index in rng.permutation(len(sounds)):
        read = _read(sounds[index], rng)
        if read is not None:
            yield resample(*read, sampling_rate)
            given += len(read[0]) / read[1]
        if given >= seconds:
            return


__all__ = ["Sound", "SoundCrops", "find_sounds", "split_sounds", "whole_sounds"]
