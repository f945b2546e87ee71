"""Prepared speech on disk: which columns there are, how a folder is opened, what one clip is as tensors.

Knows `datasets` and the columns. Must not know sound files, codecs, or what a network is trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset, DatasetDict, Features, Sequence, Value, load_from_disk

FEATURES = Features(
    {
        "id": Value("string"),  # unique in the dataset
        "text": Value("string"),  # what is said, white space normalised
        "speaker": Value("string"),
        "language": Value("string"),  # ISO 639-1
        "seconds": Value("float32"),  # of the sound that the tokens and codes stand for
        "semantic": Sequence(Value("int32")),  # [S]
        "codes": Sequence(Sequence(Value("int16"))),  # [K][T]
    }
)


class TrainingClip(NamedTuple):
    """One utterance.

    Attributes:
        text: what is said.
        speaker: whose voice it is.
        semantic: int64 [S], semantic tokens.
        codes: int64 [K, T], every codebook of the codec.
    """

    text: str
    speaker: str
    semantic: torch.Tensor
    codes: torch.Tensor


def load_prepared(path: str | Path) -> Dataset:
    """Open a folder that `bark-hf prepare` wrote.

    Args:
        path: the folder.

    Returns:
        a dataset with at least the columns of `FEATURES`, memory-mapped.

    Raises:
        ValueError: for a folder that is no dataset, has no rows, or lacks a column: what is wrong, and the remedy.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; prepared data is one that bark-hf prepare wrote; check it.")
    try:
        data = load_from_disk(str(folder))
    except IndexError:  # datasets does not read what it wrote without rows
        raise ValueError(f"{folder} has no rows; training needs at least 1 clip; prepare it again.") from None
    except (OSError, ValueError, KeyError) as error:  # what datasets raises for other folders and damaged files
        reason = " ".join(str(error).split())
        raise ValueError(f"{folder} is no dataset ({reason}); make it with bark-hf prepare SOURCE {folder}.") from error
    if isinstance(data, DatasetDict):
        names = ", ".join(str(folder / name) for name in data)
        raise ValueError(f"{folder} holds several splits; one is needed; give one of {names}.")
    missing = [name for name in FEATURES if name not in data.column_names]
    if missing:
        raise ValueError(
            f"{folder} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; it has "
            f"{', '.join(data.column_names)}; prepare it with bark-hf prepare {folder} OUT."
        )
    return data


def clip_of(row: Mapping[str, Any]) -> TrainingClip:
    """One row of a prepared dataset as tensors.

    Args:
        row: `dataset[i]`, whatever format the dataset has been set to (lists, NumPy, torch).
    """
    semantic = torch.from_numpy(np.asarray(row["semantic"], dtype=np.int64))  # [S]
    codes = torch.from_numpy(np.asarray(row["codes"], dtype=np.int64))  # [K, T]
    return TrainingClip(str(row["text"]), str(row["speaker"]), semantic, codes)


__all__ = ["FEATURES", "TrainingClip", "clip_of", "load_prepared"]
