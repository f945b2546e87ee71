"""Text ids -> semantic tokens, as Suno's `generate_text_semantic`.

Knows the semantic prompt and vocabulary. Items come and go as lists, one entry each, because their lengths differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import LogitsProcessor

from .. import tokens as rules
from ..generation_configuration_bark import BarkSemanticGenerationConfig
from ..voices import VoicePrompt
from .decoding import decode
from .limits import check_semantic
from .logits_process import EosPrioritizerLogitsProcessor, SuppressOtherTokensLogitsProcessor
from .sampling import StepNoise, check_scores, draw, warp
from .steps import open_steps

Progress = Callable[[str, int, int], None]  # called as progress(stage, done, total)


def semantic_prompt(
    text_ids: Sequence[torch.Tensor], voices: Sequence[VoicePrompt | None], config: BarkSemanticGenerationConfig
) -> tuple[torch.Tensor, torch.Tensor]:
    """The two blocks of the prompt, whose embeddings the network sums.

    Args:
        text_ids: per item, tokenizer ids int64 [N], N >= 1, without padding; cut at `max_input_semantic_length`.
        voices: per item, a voice or None.

    Returns:
        text block and history block, int64 [B, max_input_semantic_length] each.
    """
    length = config.max_input_semantic_length
    text = [rules.right_pad(ids + config.text_encoding_offset, length, config.text_pad_token) for ids in text_ids]
    history = [
        torch.empty(0, dtype=torch.long) if voice is None else torch.tensor(voice.semantic_prompt)[-length:]
        for voice in voices
    ]
    padded = [rules.right_pad(ids, length, config.semantic_pad_token) for ids in history]
    return torch.stack(text), torch.stack(padded)


def token_limits(config: BarkSemanticGenerationConfig, max_duration_s: Sequence[float | None]) -> list[int]:
    """Semantic tokens that each item may have: `max_new_tokens`, and Suno's duration rule."""
    return [
        config.max_new_tokens
        if seconds is None
        else rules.max_tokens_for_duration(seconds, config.semantic_rate_hz, config.max_new_tokens)
        for seconds in max_duration_s
    ]


def generate_semantic(
    network: Any,
    config: BarkSemanticGenerationConfig,
    text_ids: Sequence[torch.Tensor],
    voices: Sequence[VoicePrompt | None],
    seeds: Sequence[int],
    max_duration_s: Sequence[float | None],
    processors: Sequence[LogitsProcessor] = (),
    progress: Progress | None = None,
) -> list[torch.Tensor]:
    """Generate semantic tokens for a batch; each item is as it would be alone.

    Args:
        network: `BarkSemanticModel`.
        text_ids, voices: see `semantic_prompt`.
        seeds: one per item.
        max_duration_s: one limit in seconds, or None, per item.
        processors: the caller's, run on (ids drawn so far, scores over the full vocabulary) behind the suppression of
            ids that are no semantic tokens and in front of top-p, top-k and temperature.
        progress: called with ("semantic", tokens so far, tokens at most).

    Returns:
        per item, int64 [S], values 0..semantic_vocab_size - 1, on the network's device. S may be 0.
    """
    check_semantic(config, network.config)
    limits = token_limits(config, max_duration_s)
    prompt_length = config.max_input_semantic_length + 1
    device, n_items = network.device, len(text_ids)
    text, history = (block.to(device) for block in semantic_prompt(text_ids, voices, config))
    embeds = network.input_embeds_layer(text) + network.input_embeds_layer(history)  # [B, 256, E]
    steps = open_steps(network, n_items, prompt_length + max(limits) - 1)
    steps.prefill(list(range(n_items)), embeds)

    out = torch.full((n_items, max(limits)), -1, dtype=torch.long, device=device)
    pick = _picker(config, out, seeds, processors)
    total = max(limits)
    lengths = decode(
        steps,
        torch.full((n_items,), config.semantic_infer_token, device=device),
        pick,
        limits,
        out,
        lambda n: _head_rows(config, processors),
        config.eos_token_id,
        progress and (lambda n: progress("semantic", n, total)),
    )
    if progress is not None:
        progress("semantic", total, total)
    return [row[:length].clone() for row, length in zip(out, lengths, strict=True)]


def _head_rows(config: BarkSemanticGenerationConfig, processors: Sequence[LogitsProcessor]) -> tuple[int, int] | None:
    """Rows of the head that can be drawn, if they are one block and nobody looks at the others."""
    if processors or config.eos_token_id != config.semantic_vocab_size:
        return None
    return 0, config.eos_token_id + 1


def _picker(
    config: BarkSemanticGenerationConfig,
    out: torch.Tensor,
    seeds: Sequence[int],
    processors: Sequence[LogitsProcessor],
) -> Callable[[torch.Tensor, int, torch.Tensor], torch.Tensor]:
    width = max(config.semantic_vocab_size, config.eos_token_id + 1)  # ids that can be drawn are below
    noise = None if config.greedy else StepNoise(seeds, "semantic", width, out.device)
    suppress = SuppressOtherTokensLogitsProcessor(0, config.semantic_vocab_size, also=(config.eos_token_id,))
    prioritize = EosPrioritizerLogitsProcessor(config.eos_token_id, config.min_eos_p) if config.min_eos_p else None

    def pick(scores: torch.Tensor, n: int, rows: torch.Tensor) -> torch.Tensor:
        if _head_rows(config, processors) is None:
            scores = suppress(out, scores)
            for processor in processors:
                scores = processor(out[rows, :n], scores)
            check_scores(scores, processors)
        scores = warp(scores[:, :width], config)
        if prioritize is not None:
            scores = prioritize(None, scores)
        return draw(scores, None if noise is None else noise.step(n, rows))

    return pick
