"""Logits of a fine window: the network's forward, or its blocks with less around them where a network allows it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .lean_trunk import LeanTrunk, is_lean


def fine_logits(network: Any, k: int, codes: torch.Tensor, n_rows: int) -> torch.Tensor:
    """Codes int64 [A, N, n_codes] -> float32 logits [A, N, n_rows] of codebook k, for the first `n_rows` codes.

    A network may carry a `window_attention(qkv)` in place of PyTorch's, and a `run_window(network, hidden)` in place of
    all blocks, which overwrites `hidden` and returns True, or leaves it alone and returns False.
    """
    if not is_lean(network):
        return network(k, input_ids=codes).logits[:, :, :n_rows].float()
    trunk = LeanTrunk(network)
    attention = getattr(network, "window_attention", None) or full_attention
    run_natively = getattr(network, "run_window", None)
    hidden = trunk.place(network.embed(k, codes))
    if run_natively is None or not run_natively(network, hidden):
        trunk.run(hidden, lambda layer, qkv: attention(qkv))
    return trunk.logits(hidden, network.lm_heads[k - network.config.n_codes_given], (0, n_rows))


def full_attention(qkv: torch.Tensor) -> torch.Tensor:
    """Attention of a window to itself: [R, N, 3, heads, D] -> [R, N, heads, D]."""
    return nn.functional.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4)).transpose(1, 2)
