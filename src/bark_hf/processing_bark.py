"""The processor: text and voices in, model inputs out.

Knows the tokenizer, a checkpoint's list of voices and where their files are, on disk or on the Hub. Must not know
networks or generation. What a voice is, and its own files, are in `voices`.
"""

from __future__ import annotations

import difflib
import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from transformers import BatchEncoding, BertTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast, ProcessorMixin
from transformers.utils.hub import cached_file, extract_commit_hash

from . import tokens
from .voices import (
    BARK_RULES,
    PROMPT_NAMES,
    VoicePrompt,
    VoiceRules,
    near_presets,
    read_npy,
    voices_for_batch,
)

VOICE_INDEX = "speaker_embeddings_path.json"
VOICE_FOLDER = "speaker_embeddings"
_SOURCE_KEY = "repo_or_path"  # the index's only key that is not a preset
_HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")
_CACHED_VOICES = 32  # voices kept in memory, about 50 kB each
_CUT_MEANT, _CUT_NOT_MEANT = (True, "longest_first", "only_first"), (False, None, "do_not_truncate")  # `truncation`
_CUT_SHOWN = 60  # characters of a lost text that a warning shows


@dataclass(frozen=True)
class CheckpointFiles:
    """Where a checkpoint's files are: a local folder, or a Hub repository at one revision.

    Args:
        source: the folder, or the repository's id.
        hub: keywords of Transformers' `cached_file`; not printed, since a token may be among them.
    """

    source: str
    hub: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, source: str | os.PathLike[str], hub: Mapping[str, Any]) -> CheckpointFiles:
        """Check that `source` can be a folder or a Hub repository.

        Raises:
            FileNotFoundError: if it is neither.
        """
        name = os.fspath(source)
        if not Path(name).is_dir():
            try:
                validate_repo_id(name)
            except HFValidationError:
                raise FileNotFoundError(
                    f"{name!r} is not an existing folder and cannot be a Hub repository (like 'suno/bark-small'): "
                    "check the path."
                ) from None
        return cls(name, dict(hub))

    def find(self, filename: str) -> Path | None:
        """A file's path on this machine (downloaded if need be and allowed), or None if there is no such file."""
        found = cached_file(self.source, filename, _raise_exceptions_for_missing_entries=False, **self.hub)
        return None if found is None else Path(found)

    def read_json(self, filename: str) -> dict[str, Any] | None:
        """The object in a JSON file, or None if there is no such file.

        Raises:
            ValueError: if the file is not JSON, or holds something other than an object.
        """
        path = self.find(filename)
        if path is None:
            return None
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not valid JSON ({error}): get the file again, or delete it.") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path} holds a {type(content).__name__}, but must hold an object: get the file again.")
        return content

    def pinned(self, path: Path) -> CheckpointFiles:
        """The same at the commit that the file `path` came from, so that all files are of one state."""
        commit = extract_commit_hash(str(path), None)
        return self if commit is None else CheckpointFiles(self.source, {**self.hub, "revision": commit})


def load_tokenizer(files: CheckpointFiles) -> PreTrainedTokenizerBase:
    """A checkpoint's tokenizer. It follows `tokenizer.json`, else it is cased BERT WordPiece over `vocab.txt`.

    Raises:
        FileNotFoundError: if there is neither `tokenizer.json` nor `vocab.txt`.
        ValueError: if a file is not readable.
    """
    tokenizer_class, options = _tokenizer_class(files)
    try:
        return tokenizer_class.from_pretrained(files.source, **options, **files.hub)
    except OSError:
        raise
    except Exception as error:  # the tokenizers library raises a bare Exception
        raise ValueError(
            f"The tokenizer files of {files.source} cannot be read ({error}): get tokenizer.json (or vocab.txt) and "
            "tokenizer_config.json again."
        ) from error


def _tokenizer_class(files: CheckpointFiles) -> tuple[type[PreTrainedTokenizerBase], dict[str, Any]]:
    """The class that reads the checkpoint's tokenizer, and the options without which it would read it wrongly.

    By default `BertTokenizer` lower-cases, whatever `tokenizer.json` says, and makes up a vocabulary of five tokens
    where both files are missing. Bark's text is cased.
    """
    serialized = files.read_json("tokenizer.json")
    if serialized is None:
        if files.find("vocab.txt") is None:
            raise FileNotFoundError(
                f"{files.source} has neither tokenizer.json nor vocab.txt: add one of them (those of suno/bark-small "
                "fit all of Suno's checkpoints). For a Hub repository check the connection, and that local_files_only "
                "is not set."
            )
        config = files.read_json("tokenizer_config.json") or {}
        return BertTokenizer, {"do_lower_case": config.get("do_lower_case", False)}
    parts = [_part(serialized, name) for name in ("normalizer", "pre_tokenizer", "model")]
    if [part.get("type") for part in parts] != ["BertNormalizer", "BertPreTokenizer", "WordPiece"]:
        return PreTrainedTokenizerFast, {}
    normalizer = parts[0]
    return BertTokenizer, {
        "do_lower_case": normalizer.get("lowercase", False),
        "strip_accents": normalizer.get("strip_accents"),
        "tokenize_chinese_chars": normalizer.get("handle_chinese_chars", True),
    }


def _part(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A nested JSON object, or an empty one where there is none."""
    value = mapping.get(name)
    return value if isinstance(value, dict) else {}


def _leaves_folder(path: str) -> bool:
    """Whether a relative POSIX path is unsafe, judged by its letters alone.

    Links are not followed: in the Hub's cache every file is a link that leads out of the snapshot's folder.
    """
    return any(sign in path for sign in "\\:\0") or any(part in ("", "..") for part in path.split("/"))


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


def _check_preset_name(name: str) -> None:
    if not isinstance(name, str) or not name or name == _SOURCE_KEY or _leaves_folder(name):
        raise ValueError(
            f"{name!r} cannot name a voice: use letters, digits, '_' and '-', in folders with '/', and not "
            f"{_SOURCE_KEY!r}."
        )


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


def _near(name: str, known: list[str]) -> str:
    match = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {match[0]!r}?" if match else ""


def _normalized_texts(text: Any) -> list[str]:
    """The texts as Suno normalises them: each run of white space is one space, none at the ends."""
    if not isinstance(text, (str, list, tuple)):
        raise TypeError(f"text is a {type(text).__name__}, but must be a string or a list of strings.")
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        raise ValueError("text is an empty list: give at least one string.")
    for index, item in enumerate(texts):
        if not isinstance(item, str):
            raise TypeError(
                f"Text {index} is a {type(item).__name__}, but must be a string: give one string per item, not tokens."
            )
    texts = [" ".join(item.split()) for item in texts]
    for index, item in enumerate(texts):
        if not item:
            raise ValueError(f"Text {index} is empty or white space: there is nothing to say. Leave it out.")
    return texts


def _check_call_options(return_tensors: Any, max_length: Any, options: Mapping[str, Any]) -> None:
    """Refuse tokenizer options that would not give Bark's inputs."""
    if return_tensors not in ("pt", None):
        raise ValueError(
            f"return_tensors={return_tensors!r}: the inputs are torch tensors, 'pt'. For NumPy call .numpy() on them."
        )
    if isinstance(max_length, bool) or not isinstance(max_length, int) or not 1 <= max_length <= tokens.MAX_TEXT_LENGTH:
        raise ValueError(
            f"max_length={max_length!r} must be a whole number from 1 to {tokens.MAX_TEXT_LENGTH}, the text tokens "
            "that Bark reads: split longer text."
        )
    fixed: dict[str, tuple[tuple[Any, ...], str]] = {
        "padding": ((True, "max_length", None), f"Bark reads exactly {tokens.MAX_TEXT_LENGTH} padded positions"),
        "add_special_tokens": ((False, None), "Bark was trained on text without special tokens"),
        "return_attention_mask": ((True, None), "Bark needs the mask to tell padding from text"),
        "return_token_type_ids": ((False, None), "Bark has no token types"),
        "truncation": ((*_CUT_MEANT, *_CUT_NOT_MEANT), "it is True or False"),
    }
    for name, value in options.items():
        if name not in fixed:
            known = ["text", "voice_preset", "return_tensors", "max_length", *fixed]
            raise TypeError(f"BarkProcessor has no option {name!r}.{_near(name, known)} It knows {', '.join(known)}.")
        allowed, reason = fixed[name]
        if value not in allowed:
            raise ValueError(f"{name}={value!r} is not possible: {reason}. Leave {name} out.")


class BarkProcessor(ProcessorMixin):
    """Text and voices to model inputs.

    Args:
        tokenizer: a Transformers tokenizer; for Suno's checkpoints BERT multilingual cased.
        speaker_embeddings: the voices by name: a `VoiceLibrary`, or the mapping that one is made of (`VoicePrompt`
            values, or Transformers' form).

    Example:

    ```python
    >>> processor = BarkProcessor.from_pretrained("suno/bark-small")  # doctest: +SKIP
    >>> inputs = processor(["Hello.", "Hola."], voice_preset=["v2/en_speaker_6", None])  # doctest: +SKIP

    ```
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, speaker_embeddings: Mapping[str, Any] | VoiceLibrary | None = None
    ) -> None:
        super().__init__(tokenizer)
        self.voices: VoiceLibrary = (
            speaker_embeddings if isinstance(speaker_embeddings, VoiceLibrary) else VoiceLibrary(speaker_embeddings)
        )

    @classmethod
    def from_pretrained(
        cls,
        pretrained_processor_name_or_path: str | os.PathLike[str],
        speaker_embeddings_dict_path: str | None = VOICE_INDEX,
        **kwargs: Any,
    ) -> BarkProcessor:
        """Load from a folder or the Hub. A local folder needs no network; voices are read when first used.

        Args:
            pretrained_processor_name_or_path: a folder, or a Hub repository such as `"suno/bark-small"`.
            speaker_embeddings_dict_path: the list of voices in it; a checkpoint without that file has no presets. None
                leaves the presets out.
            kwargs: `cache_dir`, `force_download`, `local_files_only`, `proxies`, `revision`, `subfolder`, `token`, used
                for the voices too. `trust_remote_code` is taken because `AutoProcessor` sends it; no code of a
                checkpoint is ever run.

        Raises:
            FileNotFoundError: if the folder or the tokenizer's files are missing; the message names them.
            ValueError: if the list of voices or `generation_config.json` is broken.
            TypeError: for an unknown keyword.
        """
        files = CheckpointFiles.open(pretrained_processor_name_or_path, cls._hub_options(kwargs))
        anchor = files.find("tokenizer.json") or files.find("vocab.txt")
        files = files if anchor is None else files.pinned(anchor)
        tokenizer = load_tokenizer(files)
        index = None if speaker_embeddings_dict_path is None else files.read_json(speaker_embeddings_dict_path)
        rules = VoiceRules.from_generation_config(files.read_json("generation_config.json") or {})
        return cls(tokenizer, VoiceLibrary(index, files, rules))

    @staticmethod
    def _hub_options(kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The keywords for `cached_file`; unknown ones are refused."""
        internal = ("trust_remote_code", "_from_auto", "_commit_hash", "_from_pipeline")
        for name in kwargs:
            # A pipeline sends the model's keywords (dtype, device_map, ...) along: they are not a user's mistake.
            if name not in _HUB_OPTIONS + internal and "_from_pipeline" not in kwargs:
                raise TypeError(
                    f"BarkProcessor.from_pretrained has no option {name!r}.{_near(name, list(_HUB_OPTIONS))} It knows "
                    f"{', '.join(_HUB_OPTIONS)}; a tokenizer of your own goes to BarkProcessor(tokenizer)."
                )
        return {name: kwargs[name] for name in _HUB_OPTIONS if kwargs.get(name) is not None}

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        push_to_hub: bool = False,
        *,
        max_shard_size: int | str | None = None,
        **hub_kwargs: Any,
    ) -> list[str]:
        """Write the tokenizer and all voices in the Hub's layout, which Transformers' own `BarkProcessor` reads too.

        All files are written under temporary names first, so that a failure leaves the folder as it was. For a Hub
        checkpoint this downloads the voices that are not there yet.

        Args:
            save_directory: folder, made if it does not exist.
            push_to_hub: upload afterwards, see `push_to_hub()`.
            max_shard_size: sent by `push_to_hub()`, for models: a processor has nothing to split.
            hub_kwargs: `repo_id` (by default the folder's name) and the keywords of `push_to_hub()`.

        Returns:
            The files written.

        Raises:
            ValueError: for a preset whose name would lead out of the folder, or that is not a valid voice.
            TypeError: for keywords of `push_to_hub()` without `push_to_hub=True`.
        """
        if hub_kwargs and not push_to_hub:
            raise TypeError(
                f"save_pretrained has no option {', '.join(map(repr, hub_kwargs))} unless push_to_hub=True is given."
            )
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as staging:
            super().save_pretrained(staging)
            self._save_voices(Path(staging))
            written = [path.relative_to(staging) for path in sorted(Path(staging).rglob("*")) if path.is_file()]
            for path in written:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                Path(staging, path).replace(folder / path)
        if push_to_hub:
            self.push_to_hub(hub_kwargs.pop("repo_id", folder.name), **hub_kwargs)
        return [str(folder / path) for path in written]

    def _save_voices(self, folder: Path) -> None:
        """The voices' `.npy` files and their list, with paths relative to `folder` as on the Hub."""
        if not self.voices.names:
            return
        index: dict[str, Any] = {_SOURCE_KEY: "."}  # readers put their own source there; no local path is published
        for name in self.voices.names:
            _check_preset_name(name)
            index[name] = {part: f"{VOICE_FOLDER}/{name}_{part}.npy" for part in PROMPT_NAMES}
            (folder / VOICE_FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            for part, array in self.voices.load(name).to_dict().items():
                np.save(folder / index[name][part], array, allow_pickle=False)
        (folder / VOICE_INDEX).write_text(json.dumps(index, indent=2, ensure_ascii=False), encoding="utf-8")

    def to_dict(self) -> dict[str, Any]:
        """What `processor_config.json` holds: the voices have their own file, the tokenizer its own."""
        return {"processor_class": type(self).__name__}

    @property
    def model_input_names(self) -> list[str]:
        """The keys that a call may return."""
        return ["input_ids", "attention_mask", "history_prompt"]

    @property
    def speaker_embeddings(self) -> dict[str, Any] | None:
        """The voices' list as given, by name, or None if there is none; `voice(name)` reads one."""
        return self.voices.index or None

    @property
    def available_voice_presets(self) -> list[str]:
        """The names that `voice_preset` accepts."""
        return self.voices.names

    def voice(self, name: str) -> VoicePrompt:
        """The preset called `name`.

        Raises:
            ValueError: for an unknown name, with the nearest ones, or if the preset's files are not a valid voice.
            FileNotFoundError: if the checkpoint lacks one of its files.
        """
        return self.voices.load(name)

    def add_voice(self, name: str, voice: VoicePrompt) -> None:
        """Make `voice` a preset, so that it can be used by name and is saved with the processor.

        Raises:
            ValueError: if the name cannot be part of a path, or the voice does not fit the checkpoint.
        """
        self.voices.add(name, voice)

    def __call__(
        self,
        text: str | list[str] | None = None,
        voice_preset: Any = None,
        return_tensors: str | None = "pt",
        max_length: int = tokens.MAX_TEXT_LENGTH,
        **tokenizer_kwargs: Any,
    ) -> BatchEncoding:
        """Make model inputs.

        Args:
            text: a string, or a list with one string per item.
            voice_preset: a preset's name, the path of a `.npz` file, a `VoicePrompt`, a dictionary of the three
                prompts or None, for all items; or a list of those, one per item.
            return_tensors: `"pt"`, or None for the same.
            max_length: text tokens that are kept, at most 256. What is cut off on the right is reported by a warning.
            tokenizer_kwargs: `truncation=True` says that cutting is meant, and leaves the warning out; False changes
                nothing, since Bark cannot read more. `padding`, `add_special_tokens`, `return_attention_mask` and
                `return_token_type_ids` may be given with the value that Bark's inputs have.

        Returns:
            `input_ids` and `attention_mask`, int64 [B, 256], padded on the right; and, if any item has a voice,
            `history_prompt`, a list with one `VoicePrompt` or None per item.

        Raises:
            TypeError: for text that is not a string, and for an unknown option.
            ValueError: for text without content, an option with which the inputs would be invalid, an unknown or
                invalid voice, or another number of voices than texts.
            FileNotFoundError: for a voice file that does not exist.
        """
        _check_call_options(return_tensors, max_length, tokenizer_kwargs)
        texts = _normalized_texts(text)
        voices = voices_for_batch(voice_preset, len(texts), self.voices.resolve)
        encoded = self._tokenize(texts)
        rows = encoded["input_ids"]
        for index, row in enumerate(rows):
            if len(row) > max_length and tokenizer_kwargs.get("truncation") in _CUT_NOT_MEANT:
                cut = _text_behind(encoded, index, texts[index], max_length) or self.tokenizer.decode(row[max_length:])
                warnings.warn(_cut_message(index, len(row), max_length, cut), stacklevel=2)
        data = self._padded([row[:max_length] for row in rows])
        if any(voice is not None for voice in voices):
            data["history_prompt"] = voices
        return BatchEncoding(data)

    def _tokenize(self, texts: list[str]) -> BatchEncoding:
        """Ids without special tokens, padding or cutting; at least one per text."""
        try:
            encoded = self.tokenizer(
                texts,
                add_special_tokens=False,
                padding=False,
                truncation=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )
        except TypeError:
            broken = [index for index, item in enumerate(texts) if not _is_unicode(item)]
            if not broken:
                raise
            raise ValueError(
                f"Text {broken[0]} holds half a surrogate pair, which is no character: decode the text again."
            ) from None
        for index, row in enumerate(encoded["input_ids"]):
            if not row:
                raise ValueError(
                    f"Text {index} ({texts[index][:_CUT_SHOWN]!r}) has no character that the tokenizer reads: there is "
                    "nothing to say. Leave it out."
                )
        return encoded

    @staticmethod
    def _padded(rows: list[list[int]]) -> dict[str, Any]:
        """Ids as int64 [B, 256], and the mask that tells them from padding.

        Padding is 0, which is BERT's [PAD] and in any vocabulary; the model reads the mask, not this number.
        """
        width = tokens.MAX_TEXT_LENGTH
        input_ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        return {"input_ids": input_ids, "attention_mask": (torch.arange(width) < lengths[:, None]).long()}


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text_behind(encoded: BatchEncoding, index: int, text: str, n_tokens: int) -> str:
    """What `n_tokens` tokens do not cover of a text, as it was written; empty for tokenizers that do not know."""
    return text[encoded.encodings[index].offsets[n_tokens][0] :] if encoded.encodings else ""


def _cut_message(index: int, n_tokens: int, max_length: int, cut: str) -> str:
    lost = n_tokens - max_length
    shown = cut if len(cut) <= _CUT_SHOWN else f"{cut[:_CUT_SHOWN]}..."
    return (
        f"Text {index} has {n_tokens} tokens, but {max_length} are read: the last {lost} ({lost / n_tokens:.1%}) will "
        f"not be spoken, from {shown!r} on. Split the text (bark_hf.longform does), or give truncation=True if this is "
        "meant."
    )


__all__ = ["BarkProcessor", "CheckpointFiles", "VoiceLibrary", "load_tokenizer"]
