"""Voices: the history prompts that make Bark go on speaking as someone spoke before.

Knows what a voice consists of, Suno's rules for it, and how it is stored: one `.npz` file, or three `.npy` files as on
the Hub. Must not know tokenizers, the Hub, checkpoints' voice lists (those are in `processing_bark`) or networks.
"""

from __future__ import annotations

import difflib
import os
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import torch

from . import tokens

PROMPT_NAMES = ("semantic_prompt", "coarse_prompt", "fine_prompt")
MAX_PROMPT_BYTES = 64 * 1024**2  # one stored array; three hours of fine codes as int64 are 52 MB
_NPY_SUFFIX = "_semantic_prompt.npy"  # what the first of a voice's three `.npy` files ends in


class Language(NamedTuple):
    """A language that Bark speaks, and the code that starts the names of its presets."""

    name: str
    code: str


SUPPORTED_LANGUAGES = (
    Language("English", "en"),
    Language("German", "de"),
    Language("Spanish", "es"),
    Language("French", "fr"),
    Language("Hindi", "hi"),
    Language("Italian", "it"),
    Language("Japanese", "ja"),
    Language("Korean", "ko"),
    Language("Polish", "pl"),
    Language("Portuguese", "pt"),
    Language("Russian", "ru"),
    Language("Turkish", "tr"),
    Language("Chinese", "zh"),
)

# The 271 voices that Suno published: ten per language in two generations, ten without a language, and an announcer.
SUNO_PRESETS = (
    "announcer",
    *(f"speaker_{n}" for n in range(10)),
    *(
        f"{version}{lang.code}_speaker_{n}"
        for version in ("", "v2/")
        for lang in SUPPORTED_LANGUAGES
        for n in range(10)
    ),
)


class VoiceRules(NamedTuple):
    """The numbers that a voice must fit; the defaults are Bark's, a checkpoint's generation config may have others.

    Attributes:
        semantic_vocab_size: semantic tokens are 0..semantic_vocab_size-1.
        codebook_size: codes are 0..codebook_size-1.
        n_coarse_codebooks, n_fine_codebooks: rows of the coarse and of the fine prompt.
        semantic_rate_hz, coarse_rate_hz: semantic tokens and code frames per second.
    """

    semantic_vocab_size: int = tokens.SEMANTIC_VOCAB_SIZE
    codebook_size: int = tokens.CODEBOOK_SIZE
    n_coarse_codebooks: int = tokens.N_COARSE_CODEBOOKS
    n_fine_codebooks: int = tokens.N_FINE_CODEBOOKS
    semantic_rate_hz: float = tokens.SEMANTIC_RATE_HZ
    coarse_rate_hz: float = tokens.COARSE_RATE_HZ

    @property
    def frames_per_token(self) -> float:
        """Code frames per semantic token (75 / 49.9 = 1.503)."""
        return self.coarse_rate_hz / self.semantic_rate_hz

    @classmethod
    def from_generation_config(cls, config: Mapping[str, Any]) -> VoiceRules:
        """The rules of a checkpoint; what its generation config leaves out is Bark's.

        Args:
            config: a `generation_config.json` as a dictionary, nested by stage as on the Hub.

        Raises:
            ValueError: for a number that is not positive, or not a number.
        """
        sections = {
            "semantic_config": ("semantic_vocab_size", "semantic_rate_hz"),
            "coarse_acoustics_config": ("n_coarse_codebooks", "coarse_rate_hz"),
            "fine_acoustics_config": ("n_fine_codebooks",),
        }
        found = {"codebook_size": config["codebook_size"]} if "codebook_size" in config else {}
        for section, names in sections.items():
            values = config.get(section) or {}
            found.update({name: values[name] for name in names if name in values})
        for name, value in found.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise ValueError(f"{name}={value!r} in the generation config must be a positive number.")
        return cls(**found)

    def check(self, semantic: np.ndarray, coarse: np.ndarray, fine: np.ndarray) -> None:
        """Refuse what Suno's generation code refuses: shapes, ranges, and lengths that do not belong together.

        The fine prompt's length and its first rows need not equal the coarse prompt: Suno does not ask for it.

        Args:
            semantic: integers [S]. coarse: integers [n_coarse_codebooks, T]. fine: integers [n_fine_codebooks, T'].

        Raises:
            ValueError: naming the prompt, the value and the limit.
        """
        _check_ids("semantic_prompt", semantic, None, self.semantic_vocab_size)
        _check_ids("coarse_prompt", coarse, self.n_coarse_codebooks, self.codebook_size)
        _check_ids("fine_prompt", fine, self.n_fine_codebooks, self.codebook_size)
        n_tokens, n_frames = semantic.shape[0], coarse.shape[1]
        if round(n_frames / n_tokens, 1) != round(self.frames_per_token, 1):
            raise ValueError(
                f"coarse_prompt has {n_frames} frames for the {n_tokens} tokens of semantic_prompt: "
                f"{n_frames / n_tokens:.2f} per token, but Bark needs {self.coarse_rate_hz:g} / "
                f"{self.semantic_rate_hz:g} = {self.frames_per_token:.2f} to one decimal, so about "
                f"{round(n_tokens * self.frames_per_token)} frames. Cut both to the same piece of sound."
            )


BARK_RULES = VoiceRules()


def _check_ids(label: str, array: np.ndarray, n_rows: int | None, size: int) -> None:
    """One prompt's shape ([S] for `n_rows` None, else [n_rows, T]) and its range 0..size-1."""
    shape = "[S]" if n_rows is None else f"[{n_rows}, T]"
    wrong = array.ndim != 1 if n_rows is None else array.ndim != 2 or array.shape[0] != n_rows
    if wrong:
        raise ValueError(f"{label} has shape {list(array.shape)}, but Bark needs {shape}: give one voice, unbatched.")
    if array.shape[-1] == 0:
        raise ValueError(f"{label} is empty, but Bark needs {shape} with at least 1 entry. Use None for no voice.")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= size:
        raise ValueError(
            f"{label} holds values {low}..{high}, but Bark needs 0..{size - 1}: give plain tokens or codes, without "
            "offsets, padding or end marks."
        )


def _integer_array(label: str, value: Any) -> np.ndarray:
    """A NumPy array or tensor of any integer type and device as a NumPy array, not copied where it need not be."""
    if isinstance(value, torch.Tensor):
        kind = str(value.dtype)
        is_integer = not (value.is_floating_point() or value.is_complex() or value.dtype is torch.bool)
        value = value.detach().cpu().numpy() if is_integer else value
    elif isinstance(value, np.ndarray):
        kind, is_integer = str(value.dtype), value.dtype.kind in "iu"
    else:
        raise TypeError(f"{label} is a {type(value).__name__}, but must be a NumPy array or a torch tensor.")
    if not is_integer:
        raise ValueError(f"{label} is of type {kind}, but must be of an integer type: these are token and code ids.")
    return value


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
        arrays = {name: _integer_array(name, getattr(self, name)) for name in PROMPT_NAMES}
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
        path = Path(path)
        if path.suffix != ".npz":
            raise ValueError(f"A voice is saved as .npz, but the path is {path}: use {path.name}.npz.")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"The folder {path.parent} for {path.name} does not exist: create it first.")
        with _replacing(path) as file:
            np.savez(
                file,
                semantic_prompt=self.semantic_prompt,
                coarse_prompt=self.coarse_prompt,
                fine_prompt=self.fine_prompt,
            )

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
        path = Path(path)
        if path.suffix == ".npz":
            stem, arrays = path.stem, _read_npz(path)
        else:
            prefix = _npy_prefix(path)
            stem = prefix.name
            arrays = {part: read_npy(prefix.with_name(f"{stem}_{part}.npy")) for part in PROMPT_NAMES}
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


def near_presets(name: str, available: Sequence[str], limit: int = 3) -> list[str]:
    """Preset names that somebody who wrote `name` may have meant, best first.

    Args:
        name: what was written; a language's name finds that language's presets.
        available: the names to choose from.
        limit: return at most this many.
    """
    codes = [language.code for language in SUPPORTED_LANGUAGES if language.name.lower() in name.lower()]
    of_language = [
        preset for preset in available for code in codes if preset.removeprefix("v2/").startswith(f"{code}_")
    ]
    folded = {preset.lower(): preset for preset in available}
    similar = difflib.get_close_matches(name.lower(), list(folded), n=limit, cutoff=0.6)
    return list(dict.fromkeys([*(folded[match] for match in similar), *of_language]))[:limit]


def read_npy(path: Path) -> np.ndarray:
    """One prompt's `.npy` file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is too big, damaged, pickled or something else.
    """
    with _opened(path) as file:
        return _read_array(file, path.stat().st_size, path.name)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    """A voice's three arrays; like Suno's code it leaves other arrays in the file alone."""
    with _opened(path) as file, zipfile.ZipFile(file) as archive:
        arrays = {}
        for part in PROMPT_NAMES:
            try:
                info = archive.getinfo(f"{part}.npy")
            except KeyError:
                raise ValueError(f"it has no array {part}") from None
            with archive.open(info) as member:
                arrays[part] = _read_array(member, info.file_size, part)
        return arrays


def _read_array(file: IO[bytes], n_bytes: int, label: str) -> np.ndarray:
    if n_bytes > MAX_PROMPT_BYTES:
        raise ValueError(f"{label} has {n_bytes} bytes, the limit is {MAX_PROMPT_BYTES}")
    return np.lib.format.read_array(file, allow_pickle=False)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A voice's file for reading, with whatever its content makes fail as one error that names the file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no voice file {path}: check the path. A preset's name goes to the processor, as voice_preset."
        ) from None
    with file:
        try:
            yield file
        except Exception as error:  # zipfile, zlib and NumPy's header parser raise a dozen kinds on damaged files
            raise ValueError(
                f"{path} cannot be read as a voice: {error}. It must hold plain integer arrays semantic_prompt [S], "
                "coarse_prompt [2, T] and fine_prompt [8, T], no pickled objects: get the file again, or save it with "
                "VoicePrompt.save."
            ) from error


def _npy_prefix(path: Path) -> Path:
    """FOLDER/NAME of the set FOLDER/NAME_*_prompt.npy that is meant by FOLDER/NAME or by FOLDER."""
    if path.with_name(path.name + _NPY_SUFFIX).is_file():
        return path
    if path.is_file():
        raise ValueError(
            f"{path} is not a voice file: give a .npz file, or for three .npy files the path up to {_NPY_SUFFIX}."
        )
    found = sorted(path.glob(f"*{_NPY_SUFFIX}")) if path.is_dir() else []
    names = [file.name.removesuffix(_NPY_SUFFIX) for file in found]
    if len(names) > 1:
        raise ValueError(
            f"The folder {path} holds {len(names)} voices ({', '.join(names[:3])}, ...): name one of them, like "
            f"{path / names[0]}."
        )
    if not names:
        raise FileNotFoundError(
            f"There is no voice at {path}: neither a .npz file, nor {path.name}{_NPY_SUFFIX}, nor a folder with such a "
            "file. Check the path. A preset's name goes to the processor, as voice_preset."
        )
    return path / names[0]


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path`, moved to `path` when it is complete and removed when writing fails."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


__all__ = [
    "BARK_RULES",
    "SUNO_PRESETS",
    "SUPPORTED_LANGUAGES",
    "Language",
    "VoicePrompt",
    "VoiceRules",
    "near_presets",
    "read_npy",
    "voices_for_batch",
]
