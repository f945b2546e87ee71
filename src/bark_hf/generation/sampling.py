"""Drawing tokens: pure functions of logits and uniform numbers, and the generator of each item.

Knows no network and no stage. An item's uniform numbers come from its own seed and its own place in the stage, so they
do not depend on its neighbours, on the device, or on how far ahead they are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..generation_options import BarkStageGenerationConfig

_MAX_SEED = 2**63 - 1
_STAGE_NUMBERS = {"semantic": 1, "coarse": 2, "fine": 3}


def item_seeds(seed: int | Sequence[int] | None, n_items: int, n_sequences: int = 1) -> list[int]:
    """One seed per generated sequence, item by item.

    Args:
        seed: None (drawn from torch's global generator, so `torch.manual_seed` governs), one int for every item, or
            one per item. With several sequences per item, sequence r of an item uses seed + r.
        n_items: items in the batch.
        n_sequences: sequences per item.

    Raises:
        TypeError: for a seed that is no integer.
        ValueError: for a wrong number of seeds or a seed outside 0..2**63 - 1.
    """
    if seed is None:
        return torch.randint(2**31, (n_items * n_sequences,)).tolist()
    seeds: list[Any] = list(seed) if isinstance(seed, (list, tuple)) else [seed] * n_items
    if len(seeds) != n_items:
        raise ValueError(f"seed has {len(seeds)} values for {n_items} items: give one int, or one per item.")
    for value in seeds:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"seed={value!r} must be an int, or a list with one int per item.")
        if not 0 <= value <= _MAX_SEED - n_sequences:
            raise ValueError(f"seed={value} must be at least 0 and below 2**63.")
    return [value + r for value in seeds for r in range(n_sequences)]


class ItemNoise:
    """Uniform numbers of one item in one stage, in 0..1 (1 excluded), in the order in which they are asked for.

    The generator lives on the CPU, so that one seed gives the same numbers on every device.
    """

    def __init__(self, seed: int, stage: str):
        mixed = (seed * 0x9E3779B97F4A7C15 + _STAGE_NUMBERS[stage]) % 2**63  # one stream per stage of an item
        self._generator = torch.Generator().manual_seed(mixed)

    def draw(self, n: int) -> torch.Tensor:
        """The next `n` numbers, float32 [n] on the CPU."""
        return torch.rand(n, generator=self._generator)


def warp(scores: torch.Tensor, config: BarkStageGenerationConfig) -> torch.Tensor:
    """Suno's order: top-p on the network's own distribution, then top-k, then the temperature.

    Transformers divides by the temperature first, which changes what top-p keeps. A greedy stage keeps temperature 1.

    Args:
        scores: float32 [..., V]; -inf where a token is not allowed.
        config: `top_p`, `top_k`, `temperature`, `greedy`.

    Returns:
        float32 [..., V].
    """
    if config.top_p is not None and config.top_p < 1.0:
        ordered, order = scores.sort(dim=-1, descending=True)
        mass_before = ordered.softmax(dim=-1).cumsum(dim=-1).roll(1, dims=-1)
        mass_before[..., 0] = 0.0
        removed = (mass_before > config.top_p).scatter(-1, order, mass_before > config.top_p)
        scores = scores.masked_fill(removed, -math.inf)
    if config.top_k:
        threshold = scores.topk(min(config.top_k, scores.shape[-1]), dim=-1).values[..., -1:]
        scores = scores.masked_fill(scores < threshold, -math.inf)
    return scores if config.greedy else scores / config.temperature


def draw(scores: torch.Tensor, uniform: torch.Tensor | None) -> torch.Tensor:
    """One token per distribution: the inverse of its cumulative distribution at a uniform number.

    Args:
        scores: float [..., V], unnormalised log-probabilities.
        uniform: float [...] in 0..1, or None for the most probable token.

    Returns:
        int64 [...]. A token of probability 0 is never drawn.
    """
    if uniform is None:
        return scores.argmax(dim=-1)
    # float64 where the device has it: in float32, 10,000 summed probabilities are off by more than a draw's resolution
    precise = torch.float32 if scores.device.type == "mps" else torch.float64
    cumulative = scores.softmax(dim=-1).cumsum(dim=-1, dtype=precise)
    total = cumulative[..., -1:].contiguous()
    index = torch.searchsorted(cumulative, uniform[..., None].to(precise) * total, right=True)
    last = torch.searchsorted(cumulative, total)  # first index that reaches the total: guards against rounding
    return torch.minimum(index, last)[..., 0]


def check_scores(scores: torch.Tensor, processors: Sequence[object]) -> None:
    """Raise ValueError if the caller's logits processors have left a row without any token to draw, or NaN."""
    if processors and not bool((scores.amax(dim=-1) > -math.inf).all()):
        names = ", ".join(type(processor).__name__ for processor in processors)
        raise ValueError(f"The logits processors ({names}) left no token to draw: every score is -inf or NaN.")
