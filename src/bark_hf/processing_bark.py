"""The processor: text and voices in, model inputs out.

Knows how a checkpoint's tokenizer and voices are loaded, called and saved together. Must not know networks or
generation. Its parts are in `text_inputs`, `voice_library` and `checkpoint_files`.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase, ProcessorMixin

from . import tokens
from .checkpoint_files import CheckpointFiles, load_tokenizer
from .generation_options import near_match
from .text_inputs import CUT_NOT_MEANT, check_call_options, cut_message, normalized_texts, padded, tokenize
from .voice_library import VOICE_INDEX, VoiceLibrary, write_voices
from .voices import VoicePrompt, VoiceRules, voices_for_batch

_HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")


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
                    f"BarkProcessor.from_pretrained has no option {name!r}.{near_match(name, _HUB_OPTIONS)} It knows "
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
            write_voices(((name, self.voices.load(name)) for name in self.voices.names), Path(staging))
            written = [path.relative_to(staging) for path in sorted(Path(staging).rglob("*")) if path.is_file()]
            for path in written:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                Path(staging, path).replace(folder / path)
        if push_to_hub:
            self.push_to_hub(hub_kwargs.pop("repo_id", folder.name), **hub_kwargs)
        return [str(folder / path) for path in written]

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
        check_call_options(return_tensors, max_length, tokenizer_kwargs)
        texts = normalized_texts(text)
        voices = voices_for_batch(voice_preset, len(texts), self.voices.resolve)
        encoded = tokenize(self.tokenizer, texts)
        rows = encoded["input_ids"]
        for index, row in enumerate(rows):
            if len(row) > max_length and tokenizer_kwargs.get("truncation") in CUT_NOT_MEANT:
                message = cut_message(self.tokenizer, encoded, index, texts[index], max_length)
                warnings.warn(message, stacklevel=2)
        data = padded([row[:max_length] for row in rows])
        if any(voice is not None for voice in voices):
            data["history_prompt"] = voices
        return BatchEncoding(data)


__all__ = ["BarkProcessor"]
