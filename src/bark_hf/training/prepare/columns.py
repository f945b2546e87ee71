"""Which column of a source is which: known names, or the one that was asked for.

Knows the names that public corpora use. Must not know files or datasets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .options import SourceOptions

TEXT = ("text", "transcription", "sentence", "transcript", "normalized_text")
AUDIO = ("audio", "file_name", "path", "file", "audio_path", "audio_file", "audio_filepath", "wav", "filename")
SPEAKER = ("speaker", "speaker_id", "speaker_name", "client_id")
LANGUAGE = ("language", "lang", "locale")
ID, SEMANTIC = "id", "semantic"


@dataclass(frozen=True)
class Columns:
    """The columns of a source; None where it has no such column."""

    text: str
    audio: str
    speaker: str | None
    language: str | None
    id: str | None
    semantic: str | None


def find_columns(there: Iterable[str], options: SourceOptions, where: str) -> Columns:
    """Which column is which.

    Args:
        there: names of all columns.
        options: names that were asked for.
        where: the source, for messages.

    Raises:
        ValueError: if a column that is needed, or was asked for, is not there.
    """
    names = list(there)

    def find(asked: str | None, option: str, known: tuple[str, ...]) -> str | None:
        if asked is not None and asked not in names:
            raise ValueError(f"{where} has no column {asked!r}; it has {_listed(names)}; change {option}.")
        return asked or next((name for name in known if name in names), None)

    def need(found: str | None, what: str, option: str, known: tuple[str, ...]) -> str:
        if found is None:
            raise ValueError(
                f"{where} has no column with the {what} ({', '.join(known)}); it has {_listed(names)}; name it "
                f"with {option}."
            )
        return found

    return Columns(
        text=need(find(options.text_column, "--text-column", TEXT), "text", "--text-column", TEXT),
        audio=need(find(options.audio_column, "--audio-column", AUDIO), "sound", "--audio-column", AUDIO),
        speaker=find(options.speaker_column, "--speaker-column", SPEAKER),
        language=find(None, "", LANGUAGE),
        id=ID if ID in names else None,
        semantic=SEMANTIC if SEMANTIC in names else None,
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


__all__ = ["Columns", "find_columns"]
