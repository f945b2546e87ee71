"""What is evaluated: clips. Reads lists of texts, of recordings and folders of reference speakers.

Knows files and their fields; knows no model and no measure. Every fault names the file and the line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .error_rates import normalise

SOUND_SUFFIXES = (".wav", ".flac", ".ogg")


@dataclass
class Clip:
    """One sound that should say one text.

    Attributes:
        id: of the list, for the reader; need not be unique.
        text: what it should say.
        voice: who should speak.
        stage: where the sound comes from: "text", a stage of the chain, or "recording".
        wav: the sound file; None if there is no sound.
        seconds: of sound; 0.0 if there is none.
        seed: it was generated with; None for recordings.
        semantic: semantic tokens int64 [S] as a list, if known.
        hit_limit: whether the semantic stage ended without EOS.
        tokens: stage -> tokens that were generated.
    """

    id: str
    text: str
    voice: str
    stage: str
    wav: Path | None
    seconds: float = 0.0
    seed: int | None = None
    semantic: list[int] | None = None
    hit_limit: bool = False
    tokens: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TextItem:
    """A text to say, and its name within the list."""

    id: str
    text: str


def read_texts(path: Path) -> list[TextItem]:
    """Texts of a `.txt` file (one a line) or a `.jsonl` file (`{"text": ..., "id": ...}`, other fields are ignored).

    Raises:
        ValueError: for a file that is missing, empty or of another kind, or a text without words.
    """
    if path.suffix == ".jsonl":
        items = [TextItem(str(row.get("id", number)), _text(row, path, number)) for number, row in _rows(path)]
    elif path.suffix == ".txt":
        items = [TextItem(str(number), _with_words(line, path, number)) for number, line in _lines(path)]
    else:
        raise ValueError(f"{path} ends in {path.suffix!r}; a list of texts is .txt or .jsonl; rename it")
    return items


def read_recordings(path: Path) -> list[Clip]:
    """Recordings of a `.jsonl` file: `{"wav": ..., "text": ..., "speaker": ...}`; the speaker may be left out.

    A relative path is looked for in the working folder, then beside the list.

    Raises:
        ValueError: for a file that is missing or empty, or a line without a sound file or words.
    """
    clips = []
    for number, row in _rows(path):
        if not isinstance(row.get("wav"), str):
            raise ValueError(f'line {number} of {path} has no "wav"; every line needs the path of a sound; add it')
        wav = next((place for place in (Path(row["wav"]), path.parent / row["wav"]) if place.is_file()), None)
        if wav is None:
            raise ValueError(f"line {number} of {path} names {row['wav']}, which is not there; check the path")
        text, speaker = _text(row, path, number), str(row.get("speaker", "unnamed"))
        clips.append(Clip(str(row.get("id", number)), text, speaker, "recording", wav))
    return clips


def read_references(path: Path) -> dict[str, list[Clip]]:
    """Original recordings by speaker.

    Args:
        path: a list as `read_recordings` takes it, or a folder with one folder of sounds per speaker (without texts).

    Raises:
        ValueError: if there is nothing, or a line is wrong.
    """
    speakers: dict[str, list[Clip]] = {}
    if not path.is_dir():
        for clip in read_recordings(path):
            speakers.setdefault(clip.voice, []).append(clip)
        return speakers
    for folder in sorted(place for place in path.iterdir() if place.is_dir()):
        wavs = sorted(wav for wav in folder.rglob("*") if wav.suffix.lower() in SOUND_SUFFIXES)
        if wavs:
            speakers[folder.name] = [Clip(wav.stem, "", folder.name, "recording", wav) for wav in wavs]
    if not speakers:
        raise ValueError(f"{path} has no SPEAKER/*.wav; references are one folder per speaker, or a .jsonl; make them")
    return speakers


def speaker_of(voice: str, speakers: Iterable[str]) -> str | None:
    """The reference speaker that a voice is meant to be: the same name, or that of its last part ("v2/x" -> "x")."""
    return next((name for name in (voice, voice.rpartition("/")[2]) if name in speakers), None)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); convert it") from error
    except OSError as error:
        raise ValueError(f"{path} can't be read ({error.strerror}); check the path") from error
    lines = [(number, line.strip()) for number, line in enumerate(content.split("\n"), start=1) if line.strip()]
    if not lines:
        raise ValueError(f"{path} is empty; at least one line is needed; add some")
    yield from lines


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(
                f"line {number} of {path} is no JSON ({error}); each line is one object; mend it"
            ) from error
        if not isinstance(row, dict):
            raise ValueError(f'line {number} of {path} is no object; each line is {{"text": ...}}; mend it')
        yield number, row


def _text(row: dict[str, Any], path: Path, number: int) -> str:
    if not isinstance(row.get("text"), str):
        raise ValueError(f'line {number} of {path} has no "text"; every line needs one; add it')
    return _with_words(row["text"], path, number)


def _with_words(text: str, path: Path, number: int) -> str:
    if not normalise(text):
        raise ValueError(f"line {number} of {path} has no words ({text!r}); an error rate needs some; leave it out")
    return text
