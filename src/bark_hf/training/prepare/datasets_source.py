"""A `datasets` dataset with a column of sound -> clips.

Knows `datasets`; sound is taken as bytes or a path, so that neither torchcodec nor ffmpeg is needed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Audio, ClassLabel, Dataset, DatasetDict, load_dataset, load_from_disk

from .clips import SourceClip
from .columns import find_columns
from .options import SourceOptions


class DatasetSource:
    """The clips of a dataset.

    Args:
        data: a dataset, or its splits; the column with the sound is of type `Audio`, or holds paths.
        options: which columns and which split are read.
        name: what it is called in ids and as a speaker.

    Raises:
        ValueError: if a column is missing, or it is unclear which split is meant.
    """

    def __init__(self, data: Dataset | DatasetDict, options: SourceOptions, name: str) -> None:
        self.name = name
        data = _one_split(data, options.split, name)
        if len(data) == 0:
            raise ValueError(f"the dataset {name} has no rows; give one with at least 1.")
        sounds = [column for column, kind in data.features.items() if isinstance(kind, Audio)]
        if len(sounds) == 1 and options.audio_column is None:
            options = replace(options, audio_column=sounds[0])  # whatever it is called
        self._columns = find_columns(data.column_names, options, f"the dataset {name}")
        self.has_semantic = self._columns.semantic is not None
        if self._columns.audio in sounds:
            data = data.cast_column(self._columns.audio, Audio(decode=False))
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> SourceClip:
        row, columns = self._data[index], self._columns
        sound, path = _sound(row[columns.audio])
        return SourceClip(
            id=self._id(row.get(columns.id or ""), index),
            text=row[columns.text],
            speaker=self._label(columns.speaker, row),
            language=self._label(columns.language, row),
            name=path or f"{self.name}, row {index}",
            sound=sound,
            semantic=None if columns.semantic is None else row[columns.semantic],
        )

    def ids(self) -> list[str]:
        """The clips' ids in order: their column, or the row's number."""
        own = self._data.select_columns(self._columns.id)[self._columns.id] if self._columns.id else [None] * len(self)
        return [self._id(value, index) for index, value in enumerate(own)]

    def fingerprint(self) -> dict[str, object]:
        """The dataset's own fingerprint."""
        return {"source": self.name, "rows": len(self), "fingerprint": self._data._fingerprint}

    def _id(self, value: Any, index: int) -> str:
        return f"row-{index:06d}" if value in (None, "") else str(value)

    def _label(self, column: str | None, row: dict[str, Any]) -> str | None:
        value = None if column is None else row[column]
        if value is None:
            return None
        kind = self._data.features[column]
        return kind.int2str(value) if isinstance(kind, ClassLabel) else str(value)


def load_dataset_folder(path: Path, options: SourceOptions) -> DatasetSource:
    """A dataset that was saved with `save_to_disk`.

    Raises:
        ValueError: if it is damaged or lacks a column.
    """
    try:
        data = load_from_disk(str(path))
    except (OSError, ValueError, KeyError, IndexError) as error:  # the last for one without rows
        raise ValueError(
            f"the dataset {path} can't be read ({' '.join(str(error).split())}); save it again."
        ) from error
    return DatasetSource(data, options, path.resolve().name)


def load_from_hub(name: str, options: SourceOptions) -> DatasetSource:
    """A dataset on the Hub, or in its cache.

    Raises:
        ValueError: if it can't be had.
    """
    try:
        data = load_dataset(name, options.config_name)
    except Exception as error:  # datasets, huggingface_hub and the connection raise a dozen kinds
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{name} is no folder here, and no dataset that can be had from the Hub ({reason}); check the name."
        ) from error
    return DatasetSource(data, options, name.rsplit("/", 1)[-1])


def _one_split(data: Dataset | DatasetDict, split: str | None, name: str) -> Dataset:
    if isinstance(data, Dataset):
        if split is not None:
            raise ValueError(f"the dataset {name} has no splits, so there is no {split!r}; leave --split out.")
        return data
    if split is None:
        split = "train" if "train" in data or len(data) != 1 else next(iter(data))
    if split not in data:
        raise ValueError(f"the dataset {name} has no split {split!r}; it has {', '.join(data)}; choose with --split.")
    return data[split]


def _sound(value: Any) -> tuple[Path | bytes | None, str | None]:
    """A cell's sound, and what it is called."""
    if isinstance(value, str):
        return Path(value), value
    if not isinstance(value, dict):
        return None, None
    path = value.get("path")
    if value.get("bytes") is not None:
        return value["bytes"], path
    return (Path(path), path) if path else (None, None)


__all__ = ["DatasetSource", "load_dataset_folder", "load_from_hub"]
