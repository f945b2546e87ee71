"""Multi-head self-attention through Transformers' attention interface (eager, SDPA, FlashAttention-2, ...).

Knows projections, heads and a cache's `update`; which positions may be seen is the network's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from ..configuration_bark import BarkSubModelConfig


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention written out, with its weights.

    Args:
        query, key, value: [B, heads, Q, D], [B, heads, K, D], [B, heads, K, D].
        attention_mask: additive, broadcastable to [B, heads, Q, K], or None.

    Returns:
        output [B, Q, heads, D] and weights [B, heads, Q, K].
    """
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = nn.functional.softmax(scores, dim=-1).to(value.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


class BarkAttention(nn.Module):
    """Self-attention of one block; causal in the semantic and coarse networks, full in the fine network."""

    def __init__(self, config: BarkSubModelConfig, is_causal: bool, layer_idx: int):
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.is_causal = is_causal  # read by the attention interface
        self.head_dim = config.hidden_size // config.num_heads
        self.scaling = self.head_dim**-0.5
        self.att_proj = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=config.bias)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=config.bias)
        self.resid_dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """hidden_states [B, Q, E] -> output [B, Q, E] and, if the implementation gives them, weights."""
        batch, length, _ = hidden_states.shape
        projected = self.att_proj(hidden_states).view(batch, length, 3, -1, self.head_dim)
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each [B, heads, Q, D]
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attention: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        output, weights = attention(
            self,
            query,
            key,
            value,
            attention_mask,
            dropout=self.config.dropout if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        return self.resid_dropout(self.out_proj(output.reshape(batch, length, -1))), weights
