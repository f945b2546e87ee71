"""Attention of a prompt or window to itself in bfloat16, a block of queries at a time. Knows no network.

PyTorch's own attention on a CPU takes float32's time in bfloat16 too; its batched products do not. Scores of a block of
queries stay in the processor's cache.
"""

from __future__ import annotations

import torch

BLOCK = 128  # queries at once


def has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def causal_blocks(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """[R, heads, P, D] each -> the same shape and dtype; position i sees positions 0..i."""
    return _blocks(query, key, value, causal=True)


def full_blocks(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """[R, heads, N, D] each -> the same shape and dtype; every position sees every other."""
    return _blocks(query, key, value, causal=False)


def _blocks(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool) -> torch.Tensor:
    rows, heads, length, dim = query.shape
    flat = (rows * heads, length, dim)
    queries = (query * dim**-0.5).bfloat16().reshape(flat)
    keys = key.bfloat16().reshape(flat).transpose(1, 2).contiguous()  # once, or every product would do it
    values = value.bfloat16().reshape(flat)
    output = query.new_empty(flat)
    later = torch.ones(BLOCK, BLOCK, dtype=torch.bool).triu_(1) if causal else None
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        seen = stop if causal else length
        scores = torch.bmm(queries[:, start:stop], keys[:, :, :seen])
        if later is not None:
            scores[:, :, start:].masked_fill_(later[: stop - start, : stop - start], -torch.inf)
        output[:, start:stop] = torch.bmm(scores.softmax(-1), values[:, :seen])
    return output.view(query.shape)
