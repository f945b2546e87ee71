"""Finished pieces in a folder, so that a run which was stopped goes on where it was. Knows files; knows no model.

    FOLDER/manifest.json         pieces, settings, rates
    FOLDER/voices/00.npz         the speakers' voices, in the manifest's order
    FOLDER/pieces/00001.json     what is noted of piece 1; names its newest version and is written last
    FOLDER/pieces/00001-0.wav    its sound, untrimmed, 32-bit float
    FOLDER/pieces/00001-0.npz    its tokens, which are a voice too

Every file appears complete or not at all. A piece is finished when its `.json` is there.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from ..audio import encode_exactly, write_file
from ..voice_files import read_voice, write_npz
from ..voices import VoicePrompt, VoiceRules
from .settings import differences
from .splitting import Piece
from .store import Codes, Record
from .takes import Take

FORMAT = 1
MANIFEST = "manifest.json"


class Manifest(NamedTuple):
    """What a folder says about its run.

    Attributes:
        pieces, lead, unspoken: see `Split`.
        settings: see `differences`.
        rules: of the checkpoint, for the voices.
    """

    pieces: list[Piece]
    lead: float
    unspoken: list[str]
    settings: dict[str, Any]
    rules: VoiceRules

    def to_json(self) -> bytes:
        """As the file holds it."""
        content = {
            "format": FORMAT,
            "settings": self.settings,
            "rules": self.rules._asdict(),
            "lead": self.lead,
            "unspoken": self.unspoken,
            "pieces": [piece._asdict() for piece in self.pieces],
        }
        return json.dumps(content, indent=1, ensure_ascii=False).encode()


class FolderStore:
    """A `Store` in a folder; nothing is held in memory.

    Args:
        folder: made if it does not exist.
        manifest: of the run that begins or goes on; None takes what the folder says.

    Attributes:
        manifest: see `Manifest`.

    Raises:
        ValueError: if the folder holds something else, is damaged, or belongs to a run with other settings.
        OSError: if it can't be read or written.
    """

    def __init__(self, folder: Path, manifest: Manifest | None = None):
        self.folder = folder
        if manifest is None or (folder / MANIFEST).exists():
            found = read_manifest(folder)
            other = (
                []
                if manifest is None
                else differences(found.settings, manifest.settings, found.pieces, manifest.pieces)
            )
            if other:
                raise ValueError(
                    f"the run in {folder} was begun with {'; '.join(other)}: give what it was begun with, another "
                    "folder, or delete this one"
                )
            self.manifest = found if manifest is None else manifest
        else:
            _check_empty(folder)
            self.manifest = manifest
        if manifest is not None:
            for part in (folder, folder / "pieces", folder / "voices"):
                _make(part)
            self._write(folder / MANIFEST, manifest.to_json())

    def records(self) -> dict[int, Record]:
        """The finished pieces.

        Raises:
            ValueError: if the files of one are damaged or missing.
        """
        found = {}
        for index in range(len(self.manifest.pieces)):
            path = self._note(index)
            if path.exists():
                found[index] = self._read_record(path, index)
        return found

    def _read_record(self, path: Path, index: int) -> Record:
        try:
            content = json.loads(path.read_bytes())
            record = Record(**content | {"faults": tuple(content["faults"])})
            info = soundfile.info(str(self._stem(record).with_suffix(".wav")))
            if record.index != index or info.frames != record.samples or info.samplerate != record.sampling_rate:
                raise ValueError("its sound is not the one that was noted")
            if not self._stem(record).with_suffix(".npz").is_file():
                raise ValueError("its tokens are missing")
        except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"piece {index} is damaged ({reason}); delete {path} and it is made again") from error
        return record

    def put(self, record: Record, take: Take) -> None:
        """See `Store`; the note is written last."""
        stem = self._stem(record)
        self._write(stem.with_suffix(".wav"), encode_exactly(take.audio, take.sampling_rate))
        self._write_arrays(stem.with_suffix(".npz"), take.semantic, take.coarse, take.fine)
        self._write(self._note(record.index), json.dumps(asdict(record), indent=1).encode())

    def audio(self, record: Record) -> np.ndarray:
        """See `Store`."""
        audio, _ = soundfile.read(str(self._stem(record).with_suffix(".wav")), dtype="float32")
        return audio

    def codes(self, record: Record) -> Codes:
        """See `Store`."""
        arrays = read_voice(self._stem(record).with_suffix(".npz"))[1]
        return Codes(*(arrays[f"{name}_prompt"] for name in Codes._fields))

    def put_voice(self, speaker: str, voice: VoicePrompt) -> None:
        """See `Store`."""
        self._write_arrays(self._voice(speaker), voice.semantic_prompt, voice.coarse_prompt, voice.fine_prompt)

    def voices(self) -> dict[str, VoicePrompt]:
        """The speakers' voices that are there."""
        paths = {speaker: self._voice(speaker) for speaker in self.manifest.settings["voices"]}
        return {
            speaker: VoicePrompt.load(path, rules=self.manifest.rules)
            for speaker, path in paths.items()
            if path.exists()
        }

    def _note(self, index: int) -> Path:
        return self.folder / "pieces" / f"{index:05d}.json"

    def _stem(self, record: Record) -> Path:
        return self.folder / "pieces" / f"{record.index:05d}-{record.version}"

    def _voice(self, speaker: str) -> Path:
        return self.folder / "voices" / f"{list(self.manifest.settings['voices']).index(speaker):02d}.npz"

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_file(path, content)
        except OSError as error:
            raise OSError(f"{error}; what is finished is kept in {self.folder}, and the same call goes on") from error

    def _write_arrays(self, path: Path, semantic: np.ndarray, coarse: np.ndarray, fine: np.ndarray) -> None:
        try:
            write_npz(path, {"semantic_prompt": semantic, "coarse_prompt": coarse, "fine_prompt": fine})
        except OSError as error:
            raise OSError(
                f"{path} can't be written ({error.strerror}); make room; what is finished is kept in {self.folder}, "
                "and the same call goes on"
            ) from error


def read_manifest(folder: Path) -> Manifest:
    """What a folder's manifest says.

    Raises:
        ValueError: if it is missing or damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} has no {MANIFEST}; it holds no run; check the path")
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, this package reads {FORMAT}")
        pieces = [Piece(**piece) for piece in content["pieces"]]
        return Manifest(
            pieces, content["lead"], content["unspoken"], content["settings"], VoiceRules(**content["rules"])
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is damaged ({reason}); the run can't go on; give another folder") from error


def _check_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; the pieces go into a folder; give a new one")
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} has files but no {MANIFEST}; it holds no run; give a new or an empty folder")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise PermissionError(f"the folder {folder} can't be written ({error.strerror}); give another one") from error


__all__ = ["FolderStore", "Manifest", "read_manifest"]
