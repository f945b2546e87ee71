"""What speech is read from: a path, a Hub name or a dataset -> a sequence of clips.

Knows which kind of source something is. How each kind is read is in `metadata` and `datasets_source`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from datasets import Dataset, DatasetDict

from .clips import SourceClip
from .datasets_source import DatasetSource, load_dataset_folder, load_from_hub
from .metadata import METADATA_FILES, MetadataSource
from .options import SourceOptions

Place: TypeAlias = str | Path | Dataset | DatasetDict


class Source(Protocol):
    """Clips in a fixed order; can be sent to another process."""

    name: str
    has_semantic: bool

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> SourceClip: ...

    def ids(self) -> list[str]:
        """The clips' ids in order, found without reading sound."""

    def fingerprint(self) -> dict[str, object]:
        """What tells another state of the source from this one."""


def open_source(place: Place, options: SourceOptions) -> Source:
    """The source at a place.

    Args:
        place: a folder with `metadata.csv` or `metadata.jsonl` beside its sound (Hugging Face's audiofolder, or
            LJSpeech's layout), such a file itself, a dataset that was saved to disk, a name on the Hub, or a dataset.
        options: which columns are read.

    Raises:
        ValueError: if it is none of these, or lacks what is needed: what, and the remedy.
    """
    if isinstance(place, (Dataset, DatasetDict)):
        return DatasetSource(place, options, name="dataset")
    path = Path(place).expanduser()
    if path.is_file():
        return MetadataSource(path, options)
    if path.is_dir():
        found = next((path / name for name in METADATA_FILES if (path / name).is_file()), None)
        if found is not None:
            return MetadataSource(found, options)
        if any((path / name).is_file() for name in ("state.json", "dataset_dict.json")):
            return load_dataset_folder(path, options)
        raise ValueError(_no_metadata(path))
    name = str(place)
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or "\\" in name:
        raise ValueError(f"there is no {name}; a source is a folder, a metadata file or a Hub dataset; check the path.")
    return load_from_hub(name, options)


def _no_metadata(folder: Path) -> str:
    inner = sorted(path.parent for name in METADATA_FILES for path in folder.glob(f"*/{name}"))
    remedy = (
        f"give the folders that have one: {', '.join(str(path) for path in inner[:3])}{', ...' if inner[3:] else ''}"
        if inner
        else "add one with the columns file_name and text"
    )
    return f"the folder {folder} has no {' or '.join(METADATA_FILES)}, so nobody knows what is said in it; {remedy}."


class Sources(Sequence[SourceClip]):
    """Several sources one after the other; ids and speakers are told apart.

    Args:
        sources: at least one. With more than one, each clip's id begins with the name of its source.
        options: speaker and language of clips whose source names none.
    """

    def __init__(self, sources: list[Source], options: SourceOptions) -> None:
        self.sources, self.options = sources, options
        self._names = _distinct([source.name for source in sources])

    def __len__(self) -> int:
        return sum(len(source) for source in self.sources)

    def __getitem__(self, index: int) -> SourceClip:  # type: ignore[override]
        for number, source in enumerate(self.sources):
            if index < len(source):
                return self._completed(number, source[index])
            index -= len(source)
        raise IndexError(index)

    def ids(self) -> Iterator[str]:
        """The clips' ids in order, found without reading sound."""
        for number, source in enumerate(self.sources):
            yield from (self._full_id(number, clip_id) for clip_id in source.ids())

    def fingerprint(self) -> list[dict[str, object]]:
        """What tells another state of the sources from this one."""
        return [source.fingerprint() for source in self.sources]

    def _full_id(self, number: int, clip_id: str) -> str:
        return clip_id if len(self.sources) == 1 else f"{self._names[number]}/{clip_id}"

    def _completed(self, number: int, clip: SourceClip) -> SourceClip:
        return clip._replace(
            id=self._full_id(number, clip.id),
            speaker=clip.speaker or self.options.speaker or self._names[number],
            language=clip.language or self.options.language,
        )


def _distinct(names: list[str]) -> list[str]:
    """The names, numbered where one occurs twice."""
    counts = Counter(names)
    return [name if counts[name] == 1 else f"{name}-{number}" for number, name in enumerate(names, start=1)]


__all__ = ["Place", "Source", "Sources", "open_source"]
