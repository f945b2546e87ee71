"""Voices: the history prompts that make Bark go on speaking as someone spoke before.

Knows what a voice consists of and every form it may be given in. Must not know file formats (those are in
`voice_files`), numbers and shapes (`voice_rules`), checkpoints' voice lists (`voice_library`), tokenizers or networks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .languages import SUNO_PRESETS, SUPPORTED_LANGUAGES, Language, near_presets
from .voice_files import PROMPT_NAMES, read_voice, write_npz
from .voice_rules import BARK_RULES, VoiceRules, integer_array


@dataclass(frozen=True, eq=False, repr=False)
class VoicePrompt:
    """One voice: the tokens and codes of a few seconds of speech.

    The arrays are copies of what is given, int64 and contiguous, so `torch.from_numpy` takes them as they are. Voices
    are shared (a processor keeps those it has read): to change one, change the copies that `to_dict` gives.

    Args:
        semantic_prompt: integer array or tensor [S], 0..9,999, at 49.9 Hz.
        coarse_prompt: [2, T], codes 0..1,023 at 75 Hz; T / S must be 75 / 49.9 to one decimal.
        fine_prompt: [8, T], codes 0..1,023 at 75 Hz.
        name: how to call the voice; not part of its content.
        rules: other numbers than Bark's, for a checkpoint that has them.

    Raises:
        TypeError: for something that is neither an array nor a tensor.
        ValueError: for what Suno refuses, see `VoiceRules.check`, and for a type that is not an integer type.

    Example:

    ```python
    >>> import numpy as np
    >>> from bark_hf.voices import VoicePrompt
    >>> VoicePrompt(np.zeros(100, int), np.zeros((2, 150), int), np.zeros((8, 150), int), name="hum")
    VoicePrompt(name='hum', semantic=[100], coarse=[2, 150], fine=[8, 150], seconds=2.0)

    ```
    """

    semantic_prompt: np.ndarray
    coarse_prompt: np.ndarray
    fine_prompt: np.ndarray
    name: str | None = None
    rules: VoiceRules = field(default=BARK_RULES, kw_only=True)

    def __post_init__(self) -> None:
        arrays = {name: integer_array(name, getattr(self, name)) for name in PROMPT_NAMES}
        self.rules.check(*arrays.values())
        for name, array in arrays.items():
            object.__setattr__(self, name, np.array(array, dtype=np.int64, order="C"))

    @property
    def seconds(self) -> float:
        """How long the voice's sound is, in seconds: T / 75."""
        return self.coarse_prompt.shape[1] / self.rules.coarse_rate_hz

    def validate(self, rules: VoiceRules = BARK_RULES) -> None:
        """Check the voice against a checkpoint's rules.

        Raises:
            ValueError: see `VoiceRules.check`.
        """
        rules.check(self.semantic_prompt, self.coarse_prompt, self.fine_prompt)

    def to_dict(self) -> dict[str, np.ndarray]:
        """The three prompts under Transformers' and Suno's names: fresh int64 arrays [S], [2, T], [8, T]."""
        return {name: getattr(self, name).copy() for name in PROMPT_NAMES}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the voice to one `.npz` file, which Suno's code and Transformers read too.

        The file appears complete or not at all; an existing one is replaced.

        Raises:
            ValueError: if the path does not end in `.npz`.
            FileNotFoundError: if the folder does not exist.
        """
        write_npz(Path(path), self.to_dict())

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, name: str | None = None, rules: VoiceRules = BARK_RULES
    ) -> VoicePrompt:
        """Read a voice from disk. Pickled content is never loaded.

        Args:
            path: a `.npz` file; or `FOLDER/NAME` where `FOLDER/NAME_semantic_prompt.npy`, `..._coarse_prompt.npy` and
                `..._fine_prompt.npy` are, as in a Hub checkpoint; or a folder with exactly one such set.
            name: what to call the voice; by default the file's name without its ending.
            rules: of the checkpoint, if not Bark's.

        Raises:
            FileNotFoundError: if there is nothing at `path`, or one of three `.npy` files is missing.
            ValueError: if the content is unreadable or not a valid voice; the message names the file.
        """
        stem, arrays = read_voice(Path(path))
        try:
            return cls(**arrays, name=name or stem, rules=rules)
        except ValueError as error:
            raise ValueError(f"{path} is not a valid voice: {error}") from error

    @classmethod
    def from_dict(
        cls, prompts: Mapping[str, Any], *, name: str | None = None, rules: VoiceRules = BARK_RULES
    ) -> VoicePrompt:
        """A voice in Transformers' form.

        Args:
            prompts: `semantic_prompt`, `coarse_prompt` and `fine_prompt` as NumPy arrays or tensors of any integer
                type and device, in a dict, `BatchFeature`, `BatchEncoding` or an open `np.load` archive.
            name: what to call the voice.
            rules: of the checkpoint, if not Bark's.

        Raises:
            ValueError: for a missing or unknown key, and for what the constructor refuses.
            TypeError: for something that is neither an array nor a tensor.
        """
        missing = [part for part in PROMPT_NAMES if part not in prompts]
        unknown = [key for key in prompts if key not in PROMPT_NAMES]
        if missing or unknown:
            faults = [f"lacks {', '.join(missing)}"] if missing else []
            faults += [f"has unknown {', '.join(repr(key) for key in unknown)}"] if unknown else []
            raise ValueError(f"The voice {' and '.join(faults)}: it needs exactly {', '.join(PROMPT_NAMES)}.")
        return cls(**{part: prompts[part] for part in PROMPT_NAMES}, name=name, rules=rules)

    @classmethod
    def from_any(cls, voice: Any, *, rules: VoiceRules = BARK_RULES) -> VoicePrompt | None:
        """What a model accepts as one item's `history_prompt`.

        Args:
            voice: None, a `VoicePrompt` (returned as it is), a mapping (see `from_dict`) or a path (see `load`).
            rules: of the checkpoint, if not Bark's.

        Raises:
            TypeError: for anything else.
            ValueError, FileNotFoundError: as `from_dict` and `load`, or if the voice does not fit `rules`.
        """
        if voice is None:
            return None
        if isinstance(voice, VoicePrompt):
            if voice.rules != rules:
                voice.validate(rules)
            return voice
        if isinstance(voice, Mapping):
            return cls.from_dict(voice, rules=rules)
        if isinstance(voice, (str, os.PathLike)):
            return cls.load(voice, rules=rules)
        raise TypeError(
            f"A voice cannot be a {type(voice).__name__}: give a VoicePrompt, a dictionary of the three prompts, the "
            "path of a .npz file, or None."
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VoicePrompt):
            return NotImplemented
        return all(np.array_equal(getattr(self, part), getattr(other, part)) for part in PROMPT_NAMES)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{p.removesuffix('_prompt')}={list(getattr(self, p).shape)}" for p in PROMPT_NAMES)
        return f"VoicePrompt(name={self.name!r}, {shapes}, seconds={self.seconds:.1f})"


def voices_for_batch(
    voices: Any, batch_size: int, resolve: Callable[[Any], VoicePrompt | None] = VoicePrompt.from_any
) -> list[VoicePrompt | None]:
    """One voice or None for each item of a batch.

    Args:
        voices: one voice for every item, or a list or tuple with one entry per item. An entry may itself be a list of
            one voice: Transformers' pipelines batch that way.
        batch_size: number of items.
        resolve: makes a `VoicePrompt` or None of one entry.

    Raises:
        ValueError: if a list has another length than the batch.
    """
    if not isinstance(voices, (list, tuple)):
        return [resolve(voices)] * batch_size
    if len(voices) != batch_size:
        raise ValueError(
            f"{len(voices)} voices were given for {batch_size} texts: give one voice for all, or a list with one voice "
            "or None for each text."
        )
    entries = [entry[0] if isinstance(entry, (list, tuple)) and len(entry) == 1 else entry for entry in voices]
    return [resolve(entry) for entry in entries]


__all__ = [
    "BARK_RULES",
    "SUNO_PRESETS",
    "SUPPORTED_LANGUAGES",
    "Language",
    "VoicePrompt",
    "VoiceRules",
    "near_presets",
    "voices_for_batch",
]
