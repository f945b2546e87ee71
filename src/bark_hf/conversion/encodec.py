"""The codec: Meta's EnCodec 24 kHz file or a Transformers EnCodec folder.

Knows EnCodec's two spellings and `EncodecConfig`; knows no other part of Bark and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import EncodecConfig

from .checkpoint_files import load_json, load_state, require_file
from .errors import ConversionError
from .mapping import Shapes, State, map_state
from .names import META_ENCODEC, TRANSFORMERS_ENCODEC, NameTable

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""Weights of a Transformers folder; the first one that exists is read."""


@dataclass(frozen=True)
class CodecPart:
    """The codec, read and not yet renamed.

    Attributes:
        path: the file that holds the weights.
        config: EnCodec's sizes.
        tensors: the tensors by the source's names.
        table: how they are renamed.
    """

    path: Path
    config: EncodecConfig
    tensors: dict[str, torch.Tensor]
    table: NameTable

    def state(self, shapes: Shapes) -> State:
        """The tensors by Transformers' names; see `map_state`."""
        return map_state(self.tensors, self.table, shapes, self.path)


def read_codec(path: Path) -> CodecPart:
    """Read the codec.

    Args:
        path: Meta's `encodec_24khz*.th` (24 kHz sizes are assumed), or a folder with `config.json` and weights.

    Raises:
        ConversionError: for a missing or unreadable file, or a folder of another model.
    """
    if path.is_dir():
        config = _folder_config(require_file(path / "config.json", "EnCodec's config.json"))
        weights = next((path / name for name in WEIGHT_FILES if (path / name).is_file()), None)
        if weights is None:
            raise ConversionError(f"{path} holds no weights: {' or '.join(WEIGHT_FILES)} is needed.")
        return CodecPart(weights, config, load_state(weights), TRANSFORMERS_ENCODEC)
    require_file(path, "the codec (Meta's encodec_24khz.th, or a Transformers EnCodec folder)")
    return CodecPart(path, EncodecConfig(), load_state(path), META_ENCODEC)


def _folder_config(path: Path) -> EncodecConfig:
    """`config.json` of a Transformers EnCodec folder."""
    values = load_json(path)
    if (kind := values.get("model_type")) != EncodecConfig.model_type:
        raise ConversionError(f"{path}: model_type is {kind!r}, but the codec must be 'encodec'.")
    try:
        return EncodecConfig.from_dict(values)
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise ConversionError(f"{path}: {error.__cause__ or error}") from None
