"""A checkpoint's voices by name: its list `speaker_embeddings_path.json` and the `.npy` files that it names.

Knows how the list looks, which of its paths are safe to follow, and which voices are in memory. Must not know
tokenizers, networks or what makes a voice valid (that is in `voices`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .checkpoint_files import CheckpointFiles
from .languages import near_presets
from .voice_files import PROMPT_NAMES, read_npy
from .voice_rules import BARK_RULES, VoiceRules
from .voices import VoicePrompt

VOICE_INDEX = "speaker_embeddings_path.json"
VOICE_FOLDER = "speaker_embeddings"
_SOURCE_KEY = "repo_or_path"  # the index's only key that is not a preset
_CACHED_VOICES = 32  # voices kept in memory, about 50 kB each


class VoiceLibrary:
    """A checkpoint's voices by name, read when first asked for.

    Args:
        index: preset names with, each, a `VoicePrompt`, a mapping of the three arrays, or a mapping of the three
            relative `.npy` paths as in `speaker_embeddings_path.json`. A key `repo_or_path` says where those paths
            start, unless `files` does.
        files: where relative paths start; then the index's own `repo_or_path` is not believed.
        rules: of the checkpoint, if not Bark's.

    Raises:
        ValueError: if the index is not a mapping with string keys.
    """

    def __init__(
        self,
        index: Mapping[str, Any] | None = None,
        files: CheckpointFiles | None = None,
        rules: VoiceRules = BARK_RULES,
    ) -> None:
        index = {} if index is None else index
        if not isinstance(index, Mapping) or not all(isinstance(name, str) for name in index):
            raise ValueError(
                f"The list of voices ({VOICE_INDEX}) must map preset names to prompts, but is a "
                f"{type(index).__name__}: replace or delete it."
            )
        self.index = {name: entry for name, entry in index.items() if name != _SOURCE_KEY}
        self.files = CheckpointFiles(str(index[_SOURCE_KEY])) if files is None and _SOURCE_KEY in index else files
        self.rules = rules
        self._loaded: dict[str, VoicePrompt] = {}

    @property
    def names(self) -> list[str]:
        """The presets' names, in the checkpoint's order."""
        return list(self.index)

    def load(self, name: str) -> VoicePrompt:
        """The voice called `name`.

        Raises:
            ValueError: for an unknown name, an unsafe or broken entry of the list, or an invalid voice.
            FileNotFoundError: if the checkpoint lacks one of the voice's files.
        """
        voice = self._loaded.get(name)
        if voice is None:
            if name not in self.index:
                raise ValueError(self._unknown(name))
            voice = self._read(name)
            while len(self._loaded) >= _CACHED_VOICES:
                self._loaded.pop(next(iter(self._loaded)), None)
            self._loaded[name] = voice
        return voice

    def resolve(self, voice: Any) -> VoicePrompt | None:
        """What a user may give for one text: a preset's name, a `.npz` path, or see `VoicePrompt.from_any`."""
        if isinstance(voice, (str, os.PathLike)) and voice not in self.index and os.fspath(voice).endswith(".npz"):
            return _load_npz(os.fspath(voice), self.rules)
        return self.load(voice) if isinstance(voice, str) else VoicePrompt.from_any(voice, rules=self.rules)

    def add(self, name: str, voice: VoicePrompt) -> None:
        """Give a voice a name, or a name another voice.

        Raises:
            ValueError: if the name cannot be part of a path, or the voice does not fit the rules.
        """
        _check_preset_name(name)
        voice.validate(self.rules)
        self.index[name] = voice
        self._loaded.pop(name, None)

    def _read(self, name: str) -> VoicePrompt:
        entry = self.index[name]
        try:
            if isinstance(entry, Mapping):
                is_index = any(isinstance(value, str) for value in entry.values())
                arrays = self._read_arrays(entry) if is_index else entry
                return VoicePrompt.from_dict(arrays, name=name, rules=self.rules)
            if isinstance(entry, VoicePrompt):
                entry.validate(self.rules)
                return entry
            raise ValueError(f"its entry must name {', '.join(PROMPT_NAMES)}, but is a {type(entry).__name__}")
        except (ValueError, TypeError) as error:
            raise ValueError(f"The voice preset {name!r} cannot be used: {error}") from error
        except FileNotFoundError as error:
            raise FileNotFoundError(f"The voice preset {name!r} cannot be used: {error}") from error

    def _read_arrays(self, entry: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The arrays of an entry of relative paths."""
        if self.files is None:
            raise ValueError(f"its entry names files, but the list has no {_SOURCE_KEY} that says where they are")
        arrays = {}
        for part in PROMPT_NAMES:
            relative = entry.get(part)
            if not isinstance(relative, str):
                raise ValueError(f"its entry must give {part} as a path, not {relative!r}")
            if _leaves_folder(relative):
                raise ValueError(
                    f"{part} is {relative!r}, which may lead out of the checkpoint: only relative paths with forward "
                    "slashes and without '..' are followed"
                )
            path = self.files.find(relative)
            if path is None:
                raise FileNotFoundError(
                    f"{self.files.source} lacks {relative}, which its {VOICE_INDEX} names: complete the checkpoint, or "
                    "without a connection load the voice once while there is one."
                )
            arrays[part] = read_npy(path)
        return arrays

    def _unknown(self, name: str) -> str:
        if not self.index:
            return (
                f"There is no voice preset {name!r}: this checkpoint has no voices at all. Give the path of a .npz "
                "file or a VoicePrompt."
            )
        near = near_presets(name, self.names)
        hint = f" Did you mean {' or '.join(repr(match) for match in near)}?" if near else ""
        return (
            f"There is no voice preset {name!r}.{hint} This checkpoint has {len(self.index)}: list them with "
            "processor.available_voice_presets, or give the path of a .npz file."
        )


def write_voices(voices: Iterable[tuple[str, VoicePrompt]], folder: Path) -> None:
    """Write voices as the Hub has them: `.npy` files, and their list with paths relative to `folder`.

    Without a voice nothing is written.

    Args:
        voices: names and voices, taken one at a time.
        folder: exists; files of the same names are replaced.

    Raises:
        ValueError: for a name that cannot be part of a path.
    """
    index: dict[str, Any] = {}
    for name, voice in voices:
        _check_preset_name(name)
        index[name] = {part: f"{VOICE_FOLDER}/{name}_{part}.npy" for part in PROMPT_NAMES}
        (folder / VOICE_FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        for part, array in voice.to_dict().items():
            np.save(folder / index[name][part], array, allow_pickle=False)
    if index:
        content = {_SOURCE_KEY: ".", **index}  # readers put their own source there; no local path is published
        (folder / VOICE_INDEX).write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


def _check_preset_name(name: str) -> None:
    if not isinstance(name, str) or name == _SOURCE_KEY or _leaves_folder(name):
        raise ValueError(
            f"{name!r} cannot name a voice: use letters, digits, '_' and '-', in folders with '/', and not "
            f"{_SOURCE_KEY!r}."
        )


def _leaves_folder(path: str) -> bool:
    """Whether a relative POSIX path is unsafe, judged by its letters alone.

    Links are not followed: in the Hub's cache every file is a link that leads out of the snapshot's folder.
    """
    return any(sign in path for sign in "\\:\0") or any(part in ("", "..") for part in path.split("/"))


def _load_npz(path: str, rules: VoiceRules) -> VoicePrompt:
    """A voice's `.npz` file, read again only when it has changed."""
    try:
        state = Path(path).stat()
    except OSError:
        return VoicePrompt.load(path, rules=rules)  # its error names the file
    return _load_npz_state(str(Path(path).absolute()), (state.st_mtime_ns, state.st_size, state.st_ino), rules)


@lru_cache(maxsize=_CACHED_VOICES)
def _load_npz_state(path: str, state: tuple[int, int, int], rules: VoiceRules) -> VoicePrompt:
    return VoicePrompt.load(path, rules=rules)


__all__ = ["VOICE_INDEX", "VoiceLibrary", "write_voices"]
