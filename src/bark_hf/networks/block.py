"""One pre-norm transformer block. Knows attention and the feed-forward part, nothing of tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer

from ..configuration_bark import BarkSubModelConfig
from .attention import BarkAttention


class BarkMLP(nn.Module):
    """Feed-forward part: [B, T, E] -> [B, T, 4E] -> exact GELU -> [B, T, E]."""

    def __init__(self, config: BarkSubModelConfig):
        super().__init__()
        self.in_proj = nn.Linear(config.hidden_size, 4 * config.hidden_size, bias=config.bias)
        self.out_proj = nn.Linear(4 * config.hidden_size, config.hidden_size, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.out_proj(nn.functional.gelu(self.in_proj(hidden_states))))


class BarkBlock(GradientCheckpointingLayer):
    """x + attention(norm(x)), then x + mlp(norm(x)).

    LayerNorms of the causal networks have a bias only where the Linears do; the fine network's always have one.
    """

    def __init__(self, config: BarkSubModelConfig, is_causal: bool, layer_idx: int):
        super().__init__()
        norm_bias = config.bias or not is_causal
        self.layernorm_1 = nn.LayerNorm(config.hidden_size, bias=norm_bias)
        self.layernorm_2 = nn.LayerNorm(config.hidden_size, bias=norm_bias)
        self.attn = BarkAttention(config, is_causal, layer_idx)
        self.mlp = BarkMLP(config)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """hidden_states [B, T, E] -> the same shape, and the attention weights if there are any."""
        attended, weights = self.attn(self.layernorm_1(hidden_states), attention_mask, past_key_values, **kwargs)
        hidden_states = hidden_states + attended
        return hidden_states + self.mlp(self.layernorm_2(hidden_states)), weights
