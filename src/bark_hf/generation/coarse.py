"""Semantic tokens -> codes of the coarse codebooks, as Suno's `generate_coarse`.

Knows the coarse windows and vocabulary. All items move through their windows in lock-step; their prompts may differ in
length. While an item's prompt only grows at its end, its key/value cache stays valid and is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from transformers import LogitsProcessor

from .. import tokens as rules
from ..generation_configuration_bark import BarkGenerationConfig
from ..voices import VoicePrompt
from .decoding import decode
from .limits import check_coarse, window_positions
from .logits_process import AlternatingCodebooksLogitsProcessor
from .sampling import StepNoise, check_scores, draw, warp
from .semantic import Progress
from .steps import StepFunction, open_steps


class CoarseItem:
    """One item on its way through the windows.

    Args:
        semantic: int64 [S] on the CPU, S >= 1.
        voice: a voice whose end is put in front, or None.
        config: ids, rates and windows.
    """

    def __init__(self, semantic: torch.Tensor, voice: VoicePrompt | None, config: BarkGenerationConfig):
        self.rules = config.coarse_rules()
        self.config = config.coarse_acoustics_config
        history_semantic, history = voice_history(voice, config)
        self.n_history = history_semantic.shape[0]
        self.semantic = torch.cat([history_semantic, semantic])
        self.history = history  # flattened coarse ids
        self.n_steps = self.rules.n_steps(semantic.shape[0])
        self._start: int | None = None

    def prompt(self, generated: torch.Tensor) -> torch.Tensor:
        """The window's prompt behind `generated` coarse ids [n]: 256 semantic tokens, infer token, last 630 ids."""
        start = self.rules.semantic_start(self.n_history, generated.shape[0])
        seen = rules.right_pad(self.semantic[start:], self.rules.input_length, self.config.coarse_semantic_pad_token)
        infer = torch.tensor([self.config.coarse_infer_token])
        return torch.cat([seen, infer, torch.cat([self.history, generated])[-self.rules.max_history :]])

    def prompt_moved(self, n_generated: int) -> bool:
        """Whether the next window's prompt is anything but the last one's with the generated ids behind it."""
        start = self.rules.semantic_start(self.n_history, n_generated)
        moved = start != self._start or self.history.shape[0] + n_generated > self.rules.max_history
        self._start = start
        return moved


def voice_history(voice: VoicePrompt | None, config: BarkGenerationConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """The ends of a voice that the coarse stage puts in front.

    Returns:
        semantic tokens int64 [h] and flattened coarse ids int64 [about 3 h - 2], both empty without a voice. Suno
        drops the last frame for better time alignment.
    """
    if voice is None:
        return torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.long)
    semantic = torch.tensor(voice.semantic_prompt)
    flat = rules.flatten_codes(
        torch.tensor(voice.coarse_prompt), config.semantic_config.semantic_vocab_size, config.codebook_size
    )
    n_semantic, n_coarse = config.coarse_rules().history_lengths(semantic.shape[0], flat.shape[0])
    return semantic[-n_semantic:], flat[-n_coarse:][: -config.coarse_acoustics_config.n_coarse_codebooks]


def generate_coarse(
    network: Any,
    config: BarkGenerationConfig,
    semantic: Sequence[torch.Tensor],
    voices: Sequence[VoicePrompt | None],
    seeds: Sequence[int],
    processors: Sequence[LogitsProcessor] = (),
    progress: Progress | None = None,
) -> list[torch.Tensor]:
    """Generate the coarse codes of a batch; each item is as it would be alone.

    Args:
        network: `BarkCoarseModel`.
        config: the whole generation config: this stage needs the semantic ids and rates too.
        semantic: per item, int64 [S]; an empty item gives an empty result.
        voices, seeds: one per item.
        processors: the caller's, run on (flattened ids generated so far, scores over the full vocabulary) behind the
            restriction to the codebook whose turn it is and in front of top-p, top-k and temperature.
        progress: called with ("coarse", ids so far, ids of the longest item).

    Returns:
        per item, int64 codes [n_coarse_codebooks, T], values 0..codebook_size - 1, on the network's device.
    """
    check_coarse(config, network.config)
    first_id, stage = config.semantic_config.semantic_vocab_size, config.coarse_acoustics_config
    items = [CoarseItem(ids.cpu(), voice, config) for ids, voice in zip(semantic, voices, strict=True)]
    longest = max((item.n_steps for item in items), default=0)
    flat = torch.full((len(items), longest), first_id, dtype=torch.long, device=network.device)
    noise = None if stage.greedy else StepNoise(seeds, "coarse", config.codebook_size, network.device)

    current = [i for i, item in enumerate(items) if item.n_steps > 0]  # items in the batch
    steps = open_steps(network, len(current), window_positions(config)) if current else None
    done = 0
    while current:
        assert steps is not None
        first_tokens = _start_window(steps, network, [items[i] for i in current], flat[current, :done].cpu())
        limits = [min(stage.sliding_window_len, items[i].n_steps - done) for i in current]
        window = torch.full((len(current), max(limits)), -1, dtype=torch.long, device=network.device)
        where = torch.tensor(current, device=network.device)
        decode(
            steps,
            first_tokens.to(network.device),
            _picker(config, flat, where, done, window, noise, processors),
            limits,
            window,
            partial(_head_rows, config, processors, done),
            on_step=progress and (lambda n, done=done: progress("coarse", done + n, longest)),
        )
        flat[where, done : done + max(limits)] = window
        done += max(limits)
        left = [i for i, limit in zip(current, limits, strict=True) if limit == max(limits)]  # the rest has ended
        current = [i for i in left if items[i].n_steps > done]
        if current and len(current) < len(left):
            steps.keep([row for row, i in enumerate(left) if i in current])
    n_codebooks = stage.n_coarse_codebooks
    return [
        rules.unflatten_codes(row[: item.n_steps], first_id, n_codebooks, config.codebook_size)
        for row, item in zip(flat, items, strict=True)
    ]


def _start_window(
    steps: StepFunction, network: Any, items: Sequence[CoarseItem], generated: torch.Tensor
) -> torch.Tensor:
    """Bring the cache to the window's prompt; returns the last prompt id of each item, int64 [R], still to be fed."""
    prompts = [item.prompt(ids) for item, ids in zip(items, generated, strict=True)]
    by_length: dict[int, list[int]] = {}
    for row, (item, prompt) in enumerate(zip(items, prompts, strict=True)):
        if item.prompt_moved(generated.shape[1]):
            by_length.setdefault(prompt.shape[0], []).append(row)
    for rows in by_length.values():
        ids = torch.stack([prompts[row][:-1] for row in rows]).to(network.device)
        steps.prefill(rows, network.input_embeds_layer(ids))
    return torch.stack([prompt[-1] for prompt in prompts])


def _head_rows(
    config: BarkGenerationConfig, processors: Sequence[LogitsProcessor], done: int, n: int
) -> tuple[int, int] | None:
    """Rows of the head that step n of a window can draw, unless the caller's processors are to see all."""
    return None if processors else _codebook_rows(config, done + n)


def _codebook_rows(config: BarkGenerationConfig, n: int) -> tuple[int, int]:
    turn = n % config.coarse_acoustics_config.n_coarse_codebooks
    start = config.semantic_config.semantic_vocab_size + turn * config.codebook_size
    return start, start + config.codebook_size


def _picker(
    config: BarkGenerationConfig,
    flat: torch.Tensor,
    where: torch.Tensor,
    done: int,
    window: torch.Tensor,
    noise: StepNoise | None,
    processors: Sequence[LogitsProcessor],
) -> Callable[[torch.Tensor, int, torch.Tensor], torch.Tensor]:
    stage = config.coarse_acoustics_config
    alternate = AlternatingCodebooksLogitsProcessor(
        0, config.semantic_config.semantic_vocab_size, config.codebook_size, stage.n_coarse_codebooks
    )

    def pick(scores: torch.Tensor, n: int, rows: torch.Tensor) -> torch.Tensor:
        first, stop = _codebook_rows(config, done + n)
        if processors:
            generated = torch.cat([flat[where[rows], :done], window[rows, :n]], dim=1)
            scores = alternate(generated, scores)
            for processor in processors:
                scores = processor(generated, scores)
            check_scores(scores, processors)
            scores = scores[:, first:stop]
        return draw(warp(scores, stage), None if noise is None else noise.step(done + n, where[rows])) + first

    return pick
