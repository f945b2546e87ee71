"""Logits of a fine window: the network's forward, or its blocks with less around them where a network allows it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .lean_trunk import LeanTrunk, is_lean


def fine_logits(network: Any, k: int, codes: torch.Tensor, n_rows: int) -> torch.Tensor:
    """Codes int64 [A, N, n_codes] -> float32 logits [A, N, n_rows] of codebook k, for the first `n_rows` codes.

    A network may carry a `window_attention(query, key, value)` in place of PyTorch's.
    """
    if not is_lean(network):
        return network(k, input_ids=codes).logits[:, :, :n_rows].float()
    trunk = LeanTrunk(network)
    attention = getattr(network, "window_attention", None) or nn.functional.scaled_dot_product_attention

    def attend(layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return attention(*(part.transpose(1, 2) for part in (query, key, value))).transpose(1, 2)

    hidden = trunk.run(trunk.place(network.embed(k, codes)), attend)
    return trunk.logits(hidden, network.lm_heads[k - network.config.n_codes_given], (0, n_rows))
