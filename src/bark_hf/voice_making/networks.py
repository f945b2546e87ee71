"""What a recording is encoded with: the codec of a checkpoint and a semantic tokenizer that has its ids.

Knows where both are found, and what to say when the tokenizer is missing. Must not know sounds.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any, TypeAlias

import torch
from transformers import PreTrainedModel

from ..checkpoint_files import CheckpointFiles
from ..demo import without_nickname
from ..generation.inputs import voice_rules
from ..semantic_tokenizer import HubertQuantizer, SemanticTokenizer, load_semantic_tokenizer
from ..semantic_tokenizer.base import CONFIG_NAME
from ..semantic_tokenizer.community_file import load_community_quantizer
from ..tokens import SEMANTIC_VOCAB_SIZE
from ..training.prepare.encoding import (
    TOKENIZER_FOLDER,
    Encoder,
    Networks,
    checkpoint_rules,
    codec_rules,
)
from ..voice_rules import VoiceRules

COMMUNITY = "huggingface.co/GitMylo/bark-voice-cloning, quantifier_hubert_base_ls960_14.pth"

Source: TypeAlias = str | Path | PreTrainedModel


def load_encoder(
    model: Source,
    semantic_tokenizer: str | Path | SemanticTokenizer | None = None,
    speech_encoder: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> Encoder:
    """Codec and tokenizer, checked against each other; of a checkpoint no other weights are read.

    Args:
        model: folder or Hub name of a checkpoint or a codec, "demo", a `BarkModel`, or a loaded codec.
        semantic_tokenizer: folder, Hub name, a community quantizer's `.pth`, or a loaded one; None takes the one in
            the checkpoint's folder `semantic_tokenizer`.
        speech_encoder: folder or Hub name of the speech encoder of a `.pth`; None is facebook/hubert-base-ls960.
        device: where both compute.

    Raises:
        ValueError: if there is no tokenizer, or rates and sizes don't fit together.
        OSError: if there is no codec.
    """
    where = model.name_or_path if isinstance(model, PreTrainedModel) else without_nickname(os.fspath(model))
    if semantic_tokenizer is None:
        _check_has_tokenizer(where)
        semantic_tokenizer = where
    tokenizer = _load_tokenizer(semantic_tokenizer, speech_encoder)
    if isinstance(model, PreTrainedModel):
        codec, rules = _parts(model, tokenizer)
    else:
        codec, rules = where, checkpoint_rules(None, where, tokenizer.rate_hz)
    return Encoder(Networks(codec, tokenizer, rules, str(device)))


def _parts(model: PreTrainedModel, tokenizer: SemanticTokenizer) -> tuple[PreTrainedModel, VoiceRules]:
    """A loaded model's codec, in single precision, and what a voice of it must be."""
    codec: Any = getattr(model, "codec_model", model)
    rules = codec_rules(codec.config, tokenizer.rate_hz) if codec is model else voice_rules(model.generation_config)
    return copy.deepcopy(codec).float().eval(), rules  # the caller's stays where it is and as it is


def _load_tokenizer(source: str | Path | SemanticTokenizer, speech_encoder: str | Path | None) -> SemanticTokenizer:
    is_quantizer = not isinstance(source, SemanticTokenizer) and Path(source).is_file()
    if speech_encoder is not None and not is_quantizer:
        raise ValueError(
            f"speech_encoder={str(speech_encoder)!r} was given, but {source} is no quantizer's .pth file; other "
            "tokenizers know their encoder; leave it out"
        )
    if isinstance(source, SemanticTokenizer):
        return source
    if is_quantizer:
        return _with_encoder(load_community_quantizer(source, None if speech_encoder is None else str(speech_encoder)))
    if Path(source).suffix == ".pth":
        raise ValueError(f"there is no file {source}; a quantizer's .pth is needed; it can be had at {COMMUNITY}")
    return load_semantic_tokenizer(source)


def _with_encoder(quantizer: HubertQuantizer) -> HubertQuantizer:
    """The quantizer with its speech encoder loaded, so that a missing one is said before the work."""
    try:
        quantizer.load_encoder()
    except OSError as error:
        reason, name = " ".join(str(error).split())[:200], quantizer.config.encoder
        raise ValueError(
            f"the quantizer's speech encoder {name} can't be had ({reason}); where there is a connection: hf download "
            f"{name} --local-dir hubert; give that folder as speech encoder"
        ) from error
    return quantizer


def _check_has_tokenizer(where: str) -> None:
    """Say where a tokenizer comes from, if the checkpoint at `where` has none."""
    if where and CheckpointFiles.open(where, {}).find(f"{TOKENIZER_FOLDER}/{CONFIG_NAME}") is not None:
        return
    rules = checkpoint_rules(None, where, None) if where else None  # fails if there is no checkpoint at all
    missing = f"{where or 'the model'} has no semantic tokenizer ({TOKENIZER_FOLDER}/{CONFIG_NAME})"
    if rules is None or rules.semantic_vocab_size == SEMANTIC_VOCAB_SIZE:
        raise ValueError(
            f"{missing}; a voice needs one with the ids of Suno's own, which is not public; for Suno's checkpoints "
            f"download a HuBERT quantizer ({COMMUNITY}) and give that file as semantic tokenizer"
        )
    raise ValueError(
        f"{missing}; a voice needs the one that the checkpoint was trained with; give its folder as semantic tokenizer"
    )


__all__ = ["COMMUNITY", "Source", "load_encoder"]
