"""Logits processors of Transformers' kind: called with (input_ids, scores), they return scores.

Each knows the ids of one stage's vocabulary, nothing else. They run over the full vocabulary when a caller plugs in own
processors; otherwise the stages compute only the head rows that may be drawn, which leaves the same tokens.
"""

from __future__ import annotations

import math

import torch
from transformers import LogitsProcessor


class SuppressOtherTokensLogitsProcessor(LogitsProcessor):
    """Only `first`..`stop` - 1 and the `also` ids may be drawn.

    Args:
        first, stop: allowed range of ids.
        also: further allowed ids, such as EOS.
    """

    def __init__(self, first: int, stop: int, also: tuple[int, ...] = ()):
        self.first, self.stop, self.also = first, stop, also

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """input_ids int64 [B, N], scores float [B, V] -> scores float [B, V]."""
        allowed = torch.full_like(scores, -math.inf)
        allowed[:, self.first : self.stop] = scores[:, self.first : self.stop]
        for token in self.also:
            allowed[:, token] = scores[:, token]
        return allowed


class AlternatingCodebooksLogitsProcessor(LogitsProcessor):
    """Only ids of the codebook whose turn it is, bounded at both ends (Transformers' class leaves the last one open).

    Args:
        input_start_len: length of `input_ids` before the first generated id.
        first_id: id of code 0 of codebook 0 (10,000).
        codebook_size: entries per codebook (1,024).
        n_codebooks: codebooks that take turns (2).
    """

    def __init__(self, input_start_len: int, first_id: int, codebook_size: int, n_codebooks: int = 2):
        self.input_start_len = input_start_len
        self.first_id, self.codebook_size, self.n_codebooks = first_id, codebook_size, n_codebooks

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """input_ids int64 [B, N], scores float [B, V] -> scores float [B, V]."""
        turn = (input_ids.shape[1] - self.input_start_len) % self.n_codebooks
        first = self.first_id + turn * self.codebook_size
        return SuppressOtherTokensLogitsProcessor(first, first + self.codebook_size)(input_ids, scores)


class EosPrioritizerLogitsProcessor(LogitsProcessor):
    """EOS becomes certain as soon as its probability is at least `min_eos_p`.

    Suno tests ``>=`` after temperature, top-k and top-p, so this runs behind them (Transformers: ``>``, in front).

    Args:
        eos_token_id: index of EOS in the scores.
        min_eos_p: probability above 0 and at most 1.
    """

    def __init__(self, eos_token_id: int, min_eos_p: float):
        if not 0 < min_eos_p <= 1:
            raise ValueError(f"min_eos_p={min_eos_p!r} must be above 0 and at most 1.")
        self.eos_token_id, self.min_eos_p = eos_token_id, min_eos_p

    def __call__(self, input_ids: torch.LongTensor | None, scores: torch.FloatTensor) -> torch.FloatTensor:
        """input_ids (not used), scores float [B, V] -> scores float [B, V]."""
        ends = scores.softmax(dim=-1)[:, self.eos_token_id, None] >= self.min_eos_p
        is_eos = torch.arange(scores.shape[1], device=scores.device) == self.eos_token_id
        return scores.masked_fill(ends & ~is_eos, -math.inf)


__all__ = [
    "AlternatingCodebooksLogitsProcessor",
    "EosPrioritizerLogitsProcessor",
    "SuppressOtherTokensLogitsProcessor",
]
