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


def causal_blocks(qkv: torch.Tensor) -> torch.Tensor:
    """Queries, keys and values [R, P, 3, heads, D] -> [R, P, heads, D]; position i sees positions 0..i."""
    return _blocks(qkv, causal=True)


def full_blocks(qkv: torch.Tensor) -> torch.Tensor:
    """[R, N, 3, heads, D] -> [R, N, heads, D]; every position sees every other."""
    return _blocks(qkv, causal=False)


def _blocks(qkv: torch.Tensor, causal: bool) -> torch.Tensor:
    rows, length, _, heads, dim = qkv.shape
    flat = (rows * heads, length, dim)
    query, key, value = qkv.permute(2, 0, 3, 1, 4)  # [R, heads, N, D] each
    queries = (query * dim**-0.5).bfloat16().reshape(flat)
    keys = key.bfloat16().reshape(flat).transpose(1, 2).contiguous()  # once, or every product would do it
    values = value.bfloat16().reshape(flat)
    output = qkv.new_empty(flat)
    later = torch.ones(BLOCK, BLOCK, dtype=torch.bool).triu_(1) if causal else None
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        seen = stop if causal else length
        scores = torch.bmm(queries[:, start:stop], keys[:, :, :seen])
        if later is not None:
            scores[:, :, start:].masked_fill_(later[: stop - start, : stop - start], -torch.inf)
        output[:, start:stop] = torch.bmm(scores.softmax(-1), values[:, :seen])
    return output.view(rows, heads, length, dim).transpose(1, 2)
