"""Starting values that know the time: without them the first hours of training go into finding out where to look.

A semantic token is spoken at a time, and so is a letter: 62 ms after the last one, on average, in the synthesiser's
speech. The position embeddings start as sinusoids of that time (Vaswani et al. 2017, arXiv 1706.03762, there of the
position's number), the same ones for letters and for the sound made of them, and half of the first layers' heads start
with equal query and key projections, so that they look at what has nearly the same time: at the letters that are being
spoken, as a guided attention loss would teach (Tachibana et al. 2017, arXiv 1710.08969). Training moves all of it.
"""

from __future__ import annotations

import math

import torch
from torch import nn

SECONDS_PER_LETTER = 0.062
SILENCE_IN_FRONT = 0.1  # seconds, in the trimmed clips
TEXT_POSITIONS = 256  # prompt positions of both causal stages, the infer token behind them
SEMANTIC_RATE_HZ, COARSE_RATE_HZ = 50, 150  # ids per second
AMPLITUDE = 0.14  # seven times a token embedding's standard deviation
GUIDED_LAYERS = 3


def sinusoids(seconds: torch.Tensor, width: int, shortest: float, longest: float) -> torch.Tensor:
    """[N] seconds -> [N, width]: sines, then cosines, of periods (seconds) in geometric steps."""
    n = width // 2
    periods = shortest * (longest / shortest) ** (torch.arange(n) / (n - 1))
    angles = 2 * math.pi * seconds[:, None] / periods
    return AMPLITUDE * torch.cat([angles.sin(), angles.cos()], dim=1)


@torch.no_grad()
def set_coarse_clock(network: nn.Module) -> None:
    """Positions of the coarse network: semantic token i at i / 50 s, code n at n / 150 s."""
    positions = network.position_embeds_layer.weight
    at = torch.arange(len(positions))
    behind = (at - TEXT_POSITIONS - 1).clamp(min=0) / COARSE_RATE_HZ
    seconds = torch.where(at < TEXT_POSITIONS, at / SEMANTIC_RATE_HZ, behind)
    positions.copy_(sinusoids(seconds, positions.shape[1], shortest=0.03, longest=25.0))


@torch.no_grad()
def set_semantic_clock(network: nn.Module) -> None:
    """Positions of the semantic network, and heads that look at letters, or tokens, of nearly the same time."""
    positions = network.position_embeds_layer.weight
    width = positions.shape[1]
    text, sound, infer = width - 8, width - 7, width - 6  # channels that say what a position is for
    at = torch.arange(len(positions))
    spoken = (at - TEXT_POSITIONS - 1) / SEMANTIC_RATE_HZ + 1 / SEMANTIC_RATE_HZ
    seconds = torch.where(at < TEXT_POSITIONS, at * SECONDS_PER_LETTER + SILENCE_IN_FRONT, spoken.clamp(min=0))
    positions.copy_(0.01 * torch.randn_like(positions))
    positions[:, :text] += sinusoids(seconds, text, shortest=0.05, longest=30.0)
    positions[:TEXT_POSITIONS, text] += 1
    positions[TEXT_POSITIONS:, sound] += 1
    positions[TEXT_POSITIONS, infer] += 1

    n_heads = network.config.num_heads
    size = width // n_heads
    for layer in network.layers[:GUIDED_LAYERS]:
        query, key = layer.attn.att_proj.weight.view(3, n_heads, size, width)[:2]
        for head in range(n_heads // 2):
            shared = torch.zeros(size, width)
            shared[:, :text] = 0.07 * torch.randn(size, text)
            query[head] = shared + 0.01 * torch.randn_like(shared)
            key[head] = shared + 0.01 * torch.randn_like(shared)
            query[head, -1], key[head, -1] = 0, 0
            looks_at_sound = head % 3 == 2  # one head in three; the others look from sound at letters
            query[head, -1, sound] = 0.7 if looks_at_sound else 1.0
            key[head, -1, sound if looks_at_sound else text] = 0.7 if looks_at_sound else 1.0
