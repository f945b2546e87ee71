"""From what a caller gives to one clean entry per item: text ids, voice, seconds. Bad input stops here.

Knows shapes, dtypes and limits of inputs; knows no network and no stage.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch

from ..generation_configuration_bark import BarkGenerationConfig, BarkSemanticGenerationConfig
from ..generation_options import check_duration
from ..voices import VoicePrompt, VoiceRules, voices_for_batch
from .sampling import item_seeds

UNSET: Any = object()  # a keyword that was not given, where None has a meaning


def text_items(
    input_ids: Any, attention_mask: Any, config: BarkSemanticGenerationConfig, input_vocab_size: int
) -> list[torch.Tensor]:
    """Tokenizer ids of each item without padding.

    Args:
        input_ids: int [B, N] (or [N] for one item), before the text offset is added.
        attention_mask: [B, N], 0 at padding; without one, zeros at the end (BERT's [PAD]) count as padding.
        config: length limit and text offset.
        input_vocab_size: rows of the semantic network's embedding.

    Returns:
        per item, int64 [n], 1 <= n <= `max_input_semantic_length`. Longer texts are cut there as Suno does, with a
        warning that says how much was lost.

    Raises:
        ValueError: for wrong shapes, dtypes or ids, or an item without text.
    """
    if input_ids is None:
        raise ValueError(
            "generate() needs input_ids: pass what BarkProcessor returns, generate(**processor('Hello.'))."
        )
    ids = _integers("input_ids", input_ids)
    ids = ids[None] if ids.ndim == 1 else ids
    if ids.ndim != 2 or 0 in ids.shape:
        raise ValueError(f"input_ids have shape {tuple(ids.shape)}; needed is [batch, length], neither of them 0.")
    mask = _trailing_zeros_masked(ids) if attention_mask is None else _mask(attention_mask, ids)
    items = [row[keep] for row, keep in zip(ids, mask, strict=True)]
    largest = input_vocab_size - config.text_encoding_offset - 1
    for i, item in enumerate(items):
        if item.numel() == 0:
            raise ValueError(f"Item {i} has no text: every position is padding. Leave empty texts out of the batch.")
        low, high = (int(value) for value in item.aminmax())
        if low < 0 or high > largest:
            raise ValueError(
                f"Item {i} holds the text id {low if low < 0 else high}; this checkpoint has ids 0..{largest}: use the "
                "tokenizer that belongs to it."
            )
    return [_cut(i, item, config.max_input_semantic_length) for i, item in enumerate(items)]


def _integers(name: str, values: Any) -> torch.Tensor:
    try:
        tensor = torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be a rectangular array of integers: {error}") from None
    if tensor.numel() and (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(f"{name} must be integers, not {tensor.dtype}.")
    return tensor.long()


def _mask(attention_mask: Any, ids: torch.Tensor) -> torch.Tensor:
    mask = _integers("attention_mask", attention_mask)
    mask = mask[None] if mask.ndim == 1 else mask
    if mask.shape != ids.shape:
        raise ValueError(f"attention_mask has shape {tuple(mask.shape)}, input_ids have {tuple(ids.shape)}.")
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise ValueError("attention_mask must hold 0 (padding) and 1 (text) alone.")
    return mask.bool()


def _trailing_zeros_masked(ids: torch.Tensor) -> torch.Tensor:
    return ids.flip(1).ne(0).cumsum(1).flip(1) > 0


def _cut(index: int, item: torch.Tensor, longest: int) -> torch.Tensor:
    lost = item.shape[0] - longest
    if lost > 0:
        warnings.warn(
            f"The text of item {index} has {item.shape[0]} tokens; Bark reads {longest}, so the last {lost} "
            f"({100 * lost / item.shape[0]:.1f} %) are lost. Split it into shorter texts.",
            stacklevel=5,
        )
    return item[:longest]


def voice_items(history_prompt: Any, n_items: int, config: BarkGenerationConfig) -> list[VoicePrompt | None]:
    """One validated voice, or None, per item.

    Args:
        history_prompt: None; a `VoicePrompt`, a dict of arrays (Transformers' form) or a path, for all items; or a
            list with one of these, or None, per item.

    Raises:
        ValueError: for a list of the wrong length or an invalid voice.
        TypeError: for anything else.
    """
    rules = voice_rules(config)
    return voices_for_batch(history_prompt, n_items, lambda voice: VoicePrompt.from_any(voice, rules=rules))


def voice_rules(config: BarkGenerationConfig) -> VoiceRules:
    """What a voice must look like for this generation config."""
    coarse, fine = config.coarse_acoustics_config, config.fine_acoustics_config
    return VoiceRules(
        semantic_vocab_size=config.semantic_config.semantic_vocab_size,
        codebook_size=config.codebook_size,
        n_coarse_codebooks=coarse.n_coarse_codebooks,
        n_fine_codebooks=fine.n_fine_codebooks,
        semantic_rate_hz=config.semantic_config.semantic_rate_hz,
        coarse_rate_hz=coarse.coarse_rate_hz,
    )


def duration_items(max_duration_s: Any, n_items: int) -> list[float | None]:
    """One limit in seconds, or None, per item, from one value for all or a list."""
    if isinstance(max_duration_s, (np.ndarray, torch.Tensor)):
        max_duration_s = max_duration_s.tolist()
    seconds = list(max_duration_s) if isinstance(max_duration_s, (list, tuple)) else [max_duration_s] * n_items
    if len(seconds) != n_items:
        raise ValueError(
            f"max_duration_s has {len(seconds)} values for {n_items} items: give one number, or one (or None) per item."
        )
    for value in seconds:
        check_duration(value)
    return seconds


def count_sequences(num_return_sequences: Any) -> int:
    """`num_return_sequences` as an int of at least 1."""
    if isinstance(num_return_sequences, bool) or not isinstance(num_return_sequences, int) or num_return_sequences < 1:
        raise ValueError(f"num_return_sequences={num_return_sequences!r} must be an integer of at least 1.")
    return num_return_sequences


class Batch(NamedTuple):
    """What the stages need of each sequence to be generated, one entry each."""

    texts: list[torch.Tensor]
    voices: list[VoicePrompt | None]
    seeds: list[int]
    max_duration_s: list[float | None]


def make_batch(
    texts: list[torch.Tensor],
    history_prompt: Any,
    max_duration_s: Any,
    seed: Any,
    num_return_sequences: Any,
    config: BarkGenerationConfig,
) -> Batch:
    """Join the texts of `text_items` with the rest of a call; takes of one text stand in a row.

    Args:
        max_duration_s: see `duration_items`; `UNSET` leaves it to the config.
        history_prompt, seed, num_return_sequences: see `voice_items`, `item_seeds`, `count_sequences`.
    """
    n_items, takes = len(texts), count_sequences(num_return_sequences)
    voices = voice_items(history_prompt, n_items, config)
    limit = config.semantic_config.max_duration_s if max_duration_s is UNSET else max_duration_s
    seconds, seeds = duration_items(limit, n_items), item_seeds(seed, n_items, takes)
    items = [i for i in range(n_items) for _ in range(takes)]
    return Batch([texts[i] for i in items], [voices[i] for i in items], seeds, [seconds[i] for i in items])


def processor_list(logits_processor: Any) -> list[Any]:
    """Logits processors as a list, from None, one callable or several."""
    if logits_processor is None:
        return []
    processors = list(logits_processor) if isinstance(logits_processor, (list, tuple)) else [logits_processor]
    for processor in processors:
        if not callable(processor):
            raise TypeError(
                f"logits_processor must be callables (input_ids, scores) -> scores, not {type(processor).__name__}."
            )
    return processors
