"""Drawing tokens: pure functions of logits and noise, and the noise of each item.

Knows no network and no stage. An item's noise comes from its own seed and its own place in the stage, so it does not
depend on its neighbours, on the device, or on how far ahead it is drawn.
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
    """Gumbel noise of one item in one stage, in the order in which it is asked for.

    The generator lives on the CPU, so that one seed gives the same noise on every device.
    """

    def __init__(self, seed: int, stage: str):
        self._generator = torch.Generator().manual_seed(mix_seed(seed, _STAGE_NUMBERS[stage]))

    def draw(self, *shape: int) -> torch.Tensor:
        """The next numbers, float32 of `shape` on the CPU: -log(-log(u)) for uniform u."""
        exponential = torch.rand(shape, generator=self._generator).neg_().log1p_().neg_()  # -log(1 - u), 0 <= u < 1
        return exponential.clamp_(min=2.0**-25).log_().neg_()  # u is a multiple of 2**-24: half a step for 0


def mix_seed(seed: int, stream: int) -> int:
    """A generator seed for one stream of an item: splitmix64 (Steele et al., 2014), folded to 32 bits.

    Torch's CPU generator looks at 32 bits of its seed only; without mixing, seeds 1 and 1 + 2**32 would be the same.
    """
    mask = 2**64 - 1
    x = (seed + stream * 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    x ^= x >> 31
    return (x ^ (x >> 32)) & (2**32 - 1)


class StepNoise:
    """The noise of a batch, step by step, drawn ahead in blocks so that no step waits for the host.

    Args:
        seeds: one per row.
        stage: "semantic" or "coarse".
        width: tokens that can be drawn.
        device: where it is needed.
    """

    block = 32  # steps drawn at once: 1.3 MB per row of 10,001 tokens

    def __init__(self, seeds: Sequence[int], stage: str, width: int, device: torch.device):
        self._items = [ItemNoise(seed, stage) for seed in seeds]
        self._width, self._device = width, device
        self._blocks = torch.empty(len(seeds), 0, width)

    def step(self, n: int, rows: torch.Tensor) -> torch.Tensor:
        """Noise float32 [R, width] of step `n` for `rows` int64 [R]; steps are asked for in order."""
        place = n % self.block
        if place == 0:
            drawn = torch.zeros(len(self._items), self.block, self._width)
            for row in rows.tolist():  # rows that have ended need no more
                drawn[row] = self._items[row].draw(self.block, self._width)
            self._blocks = drawn.to(self._device)
        return self._blocks[rows, place]


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


def draw(scores: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
    """One token per distribution, by the Gumbel-max trick (Gumbel, 1954; Maddison et al., arXiv 1411.0030).

    The most probable token of logits plus Gumbel noise is a draw from their softmax. Unlike a search in the cumulative
    distribution, whose every boundary moves with the last bits of one logit, it changes with rounding only where two
    tokens nearly tie. That is what keeps a sampled item the same in every batch size, whose matrix products round
    differently.

    Args:
        scores: float [..., V], unnormalised log-probabilities.
        noise: Gumbel noise, float [..., V], or None for the most probable token.

    Returns:
        int64 [...]. A token of probability 0 is never drawn.
    """
    return (scores if noise is None else scores + noise).argmax(dim=-1)


def check_scores(scores: torch.Tensor, processors: Sequence[object]) -> None:
    """Raise ValueError if the caller's logits processors have left a row without any token to draw, or NaN."""
    if processors and not bool((scores.amax(dim=-1) > -math.inf).all()):
        names = ", ".join(type(processor).__name__ for processor in processors)
        raise ValueError(f"The logits processors ({names}) left no token to draw: every score is -inf or NaN.")
