"""A checkpoint's small files, in a folder or on the Hub, and the tokenizer among them.

Knows the Hub's cache and which class reads Bark's tokenizer rightly. Must not know voices, networks or weights.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from transformers import BertTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils.hub import cached_file, extract_commit_hash


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


__all__ = ["CheckpointFiles", "load_tokenizer"]
