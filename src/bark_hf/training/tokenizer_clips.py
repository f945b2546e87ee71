"""Recordings and their frame labels for a tokenizer's training: a folder -> clips -> samples and labels in step.

Knows files and label rates; must not know features or tokenizers' networks.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..semantic_tokenizer.waveform import prepare_waveform
from .prepare.metadata import METADATA_FILES, MetadataSource
from .prepare.options import SourceOptions
from .prepare.sound import read_sound
from .split import split_by_text

SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
NO_LABEL = -100
_NAMED = 5  # missing files in a message
_TOLERANCE_SECONDS = 0.25  # labels and sound of one clip may differ by so much


class LabelledClip(NamedTuple):
    """One recording.

    Attributes:
        path: its file.
        text: what is said, or the path where nobody knows; recordings of one text go to one side of a split.
        speaker: who says it.
        labels: one per frame, or None.
    """

    path: Path
    text: str
    speaker: str
    labels: list[int] | None


def find_clips(folder: str | Path) -> list[LabelledClip]:
    """The recordings of a folder, those of a list also where their files are missing.

    Args:
        folder: has metadata.jsonl (file_name, text, speaker, semantic; or .csv), itself or each of its subfolders, or
            sound files and no metadata. Without a speaker's name the subfolder's is taken.

    Raises:
        ValueError: if there is no such folder, or no recording in it.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise ValueError(f"{root} is no folder; recordings with metadata.jsonl beside them are needed; check the path")
    clips = [clip for path in _metadata_files(root) for clip in _listed_clips(path)]
    if not clips:
        paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in SOUND_SUFFIXES)
        clips = [LabelledClip(path, str(path), path.parent.name, None) for path in paths]
    if not clips:
        raise ValueError(f"{root} has no recordings ({', '.join(SOUND_SUFFIXES)}) and no metadata; check the path")
    return clips


def without_missing(clips: list[LabelledClip], folder: str | Path) -> tuple[list[LabelledClip], list[str]]:
    """The clips whose files are there, and the files that are not, which one line on stderr counts and names.

    Raises:
        ValueError: if all are missing.
    """
    missing = [str(clip.path) for clip in clips if not clip.path.is_file()]
    named = ", ".join(missing[:_NAMED]) + (f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else "")
    if len(missing) == len(clips):
        raise ValueError(f"none of the {len(clips)} recordings that {folder} lists is there ({named}); check the paths")
    if missing:
        print(
            f"tokenizer: {len(missing)} of {len(clips)} recordings are missing and left out: {named}",
            file=sys.stderr,
            flush=True,
        )
    return [clip for clip in clips if clip.path.is_file()], missing


def sample_clips(clips: list[LabelledClip], most: int | None, seed: int) -> list[LabelledClip]:
    """A random sample of at most so many; all, if there are no more."""
    return clips if most is None or len(clips) <= most else random.Random(seed).sample(clips, most)


def _metadata_files(root: Path) -> list[Path]:
    own = [root / name for name in METADATA_FILES if (root / name).is_file()]
    return own[:1] or sorted(path for path in root.rglob("metadata.*") if path.name in METADATA_FILES)


def _listed_clips(metadata: Path) -> list[LabelledClip]:
    source = MetadataSource(metadata, SourceOptions())
    clips = []
    for index in range(len(source)):
        clip = source[index]
        if not isinstance(clip.sound, Path):
            raise ValueError(f"{metadata}, clip {index + 1} names no sound file; fill the column file_name")
        speaker = clip.speaker or metadata.parent.name
        clips.append(LabelledClip(clip.sound, clip.text or str(clip.sound), speaker, clip.semantic))
    return clips


def split_clips(clips: list[LabelledClip], fraction: float, seed: int) -> tuple[list[LabelledClip], list[LabelledClip]]:
    """Clips to train on and clips to report on; all recordings of one text are on one side."""
    training, held_out = split_by_text([clip.text for clip in clips], fraction, seed)
    return [clips[row] for row in training], [clips[row] for row in held_out]


def clip_waveform(clip: LabelledClip, sampling_rate: int) -> torch.Tensor:
    """The recording as float32 [n] at a rate in Hz, several channels mixed to one.

    Raises:
        ValueError: if the file can't be read or its samples can't be used; the file is named.
    """
    try:
        sound = read_sound(clip.path)
        return prepare_waveform(sound.samples, sound.sampling_rate, sampling_rate)
    except (OSError, RuntimeError, ValueError) as error:  # libsndfile's errors are RuntimeErrors
        raise ValueError(f"{clip.path} can't be used ({error}); mend it or take it out") from error


def frame_labels(labels: list[int], label_rate: float, n_frames: int, frame_rate: float, where: str) -> np.ndarray:
    """Labels at the rate of a tokenizer's frames: each frame has the label that is there at its middle.

    Args:
        labels: at `label_rate` per second.
        n_frames: frames at `frame_rate` per second.
        where: the clip, for messages.

    Returns:
        int64 [n_frames], -100 where the labels are over.

    Raises:
        ValueError: if labels and frames differ by more than a quarter of a second.
    """
    seconds, sound_seconds = len(labels) / label_rate, n_frames / frame_rate
    if abs(seconds - sound_seconds) > _TOLERANCE_SECONDS:
        raise ValueError(
            f"{where}: {len(labels)} labels at {label_rate:g} Hz are {seconds:.2f} s, its sound has "
            f"{sound_seconds:.2f} s; give the labels' rate as label_rate_hz, or mend the metadata"
        )
    middles = (np.arange(n_frames) + 0.5) / frame_rate
    places = np.floor(middles * label_rate + 1e-9).astype(np.int64)
    padded = np.asarray([*labels, NO_LABEL], dtype=np.int64)
    return padded[np.minimum(places, len(labels))]


def check_labels(clips: list[LabelledClip], vocab_size: int) -> None:
    """Raise unless every clip has labels 0..vocab_size-1.

    Raises:
        ValueError: naming the first clip that hasn't.
    """
    for clip in clips:
        if not clip.labels:
            raise ValueError(
                f"{clip.path} has no labels; this training needs them; add the column semantic to the metadata, or "
                "name a tokenizer as teacher"
            )
        if min(clip.labels) < 0 or max(clip.labels) >= vocab_size:
            wrong = next(label for label in clip.labels if not 0 <= label < vocab_size)
            raise ValueError(f"{clip.path} has the label {wrong}; labels must be 0..{vocab_size - 1}; raise vocab_size")


__all__ = [
    "NO_LABEL",
    "LabelledClip",
    "check_labels",
    "clip_waveform",
    "find_clips",
    "frame_labels",
    "sample_clips",
    "split_clips",
    "without_missing",
]
