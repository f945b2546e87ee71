"""A metadata file beside sound files -> clips: `metadata.csv`, `metadata.jsonl`, LJSpeech's layout.

Knows tables in text files and where the sound lies. Must not know datasets, or what is done with a clip.
"""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

from .clips import SourceClip
from .columns import TEXT, find_columns
from .options import SourceOptions

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.tsv")
SOUND_FOLDERS = ("", "wavs", "clips")  # below the metadata's folder; LJSpeech has wavs, Common Voice clips
SOUND_ENDINGS = ("", ".wav", ".flac", ".ogg", ".mp3")  # LJSpeech names files without an ending
LJSPEECH_COLUMNS = ("file_name", "written_text", "text")  # the third is normalised: numbers and titles spelled out


class MetadataSource:
    """The clips that a metadata file lists.

    Args:
        path: a table with a header (.csv, .tsv; separated by comma, bar, semicolon or tab), LJSpeech's table without
            one (id|written text|normalised text), or one JSON object per line (.jsonl).
        options: which columns are read.

    Raises:
        ValueError: if it can't be read, is empty, or lacks a column.
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self.path = path.resolve()
        self.name = self.path.parent.name
        content = _read_text(self.path)
        self._hash = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        self._rows = _read_lines(self.path, content) if path.suffix == ".jsonl" else _read_table(content)
        if not self._rows:
            raise ValueError(f"{self.path} lists no clips; it needs one line per clip; fill it.")
        self._columns = find_columns(dict.fromkeys(name for row in self._rows for name in row), options, str(self.path))
        self.has_semantic = self._columns.semantic is not None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> SourceClip:
        row, columns = self._rows[index], self._columns
        name = _text(row.get(columns.audio))
        sound = None if name is None else _sound_file(self.path.parent, name)
        return SourceClip(
            id=self._id(index),
            text=_text(row.get(columns.text)),
            speaker=_text(row.get(columns.speaker)) if columns.speaker else None,
            language=_text(row.get(columns.language)) if columns.language else None,
            name=str(sound) if sound else f"{self.path}, clip {index + 1}",
            sound=sound,
            semantic=_tokens(row.get(columns.semantic)) if columns.semantic else None,
        )

    def ids(self) -> list[str]:
        """The clips' ids in order: their column, or the file's name without its ending."""
        return [self._id(index) for index in range(len(self._rows))]

    def fingerprint(self) -> dict[str, object]:
        """The file's place and content."""
        return {"source": str(self.path), "sha256": self._hash}

    def _id(self, index: int) -> str:
        row, columns = self._rows[index], self._columns
        own = _text(row.get(columns.id)) if columns.id else None
        name = _text(row.get(columns.audio))
        return own or (str(PurePosixPath(name).with_suffix("")) if name else f"row-{index + 1}")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not in UTF-8 (byte {error.start}); save it as UTF-8.") from None


def _read_lines(path: Path, content: str) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number} is not JSON ({error}); mend or delete it.") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {number} is a {type(row).__name__}, not an object; mend or delete it.")
        rows.append(row)
    return rows


def _read_table(content: str) -> list[dict[str, Any]]:
    """Rows of a table; the separator is the one that splits the first line into most columns."""
    first = content.split("\n", 1)[0]
    separator = max(",|;\t", key=first.count)
    # LJSpeech's texts hold single quotation marks, which would run over many lines if they were taken for quoting.
    quoted = separator in ",;"
    table = csv.reader(
        content.splitlines(keepends=True),
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )
    lines = [row for row in table if row]
    if not lines:
        return []
    has_header = separator != "|" or any(name in lines[0] for name in (*TEXT, "file_name"))
    if has_header:
        header, lines = lines[0], lines[1:]
    else:
        width = max(len(line) for line in lines)
        header = [LJSPEECH_COLUMNS[0], "text"] if width == 2 else list(LJSPEECH_COLUMNS)
    return [dict(zip(header, line, strict=False)) for line in lines]


def _sound_file(folder: Path, name: str) -> Path:
    """The file that is meant; if there is none, the path that was written."""
    for place in SOUND_FOLDERS:
        for ending in SOUND_ENDINGS:
            path = folder / place / f"{name}{ending}"
            if path.is_file():
                return path
    return folder / name


def _text(value: Any) -> str | None:
    """A cell as text; None where there is nothing."""
    if isinstance(value, str):
        return value if value.strip() else None
    return None if value is None or isinstance(value, (list, dict, bool)) else str(value)


def _tokens(value: Any) -> Any:
    """Semantic tokens in a cell: a list, or numbers between spaces; whether they are tokens is checked later."""
    if not isinstance(value, str):
        return value
    parts = value.split()
    return [int(part) for part in parts] if parts and all(part.isdecimal() for part in parts) else parts or None


__all__ = ["METADATA_FILES", "MetadataSource"]
