"""A network's blocks as a list of functions: what generating needs of a network, and no more.

Knows the block's layout (norm, attention, norm, feed-forward); knows neither cache nor mask: `attend` has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from .linear_functions import Function, as_function, has_hooks, is_plain, linear, through_gelu

# attend(layer, queries, keys and values [R, T, 3, heads, D]) -> output [R, T, heads, D]
Attend = Callable[[int, torch.Tensor], torch.Tensor]


class Layer(NamedTuple):
    """The functions of one block, each [..., in] -> [..., out]; `up` goes through the activation."""

    norm_1: Function
    qkv: Function
    out: Function
    norm_2: Function
    up: Function
    down: Function


class LeanTrunk:
    """The functions of a network, causal or fine, without gradients and dropout.

    Weights are looked up once: make a new one after the network has been changed or moved.
    """

    def __init__(self, network: Any):
        config = network.config
        self.n_layers, self.n_heads = config.num_layers, config.num_heads
        self.head_dim = config.hidden_size // config.num_heads
        self.layers = [
            Layer(
                norm_1=as_function(b.layernorm_1),
                qkv=as_function(b.attn.att_proj),
                out=as_function(b.attn.out_proj),
                norm_2=as_function(b.layernorm_2),
                up=through_gelu(b.mlp.in_proj),
                down=as_function(b.mlp.out_proj),
            )
            for b in network.layers
        ]
        self._norm = as_function(network.layernorm_final)
        self._positions = network.position_embeds_layer

    def place_step(self, embeds: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Embeddings [R, E] of one token per row plus those of their positions int64 [1 or R] -> [R, 1, E]."""
        return (embeds + self._positions(positions))[:, None]

    def place(self, inputs_embeds: torch.Tensor) -> torch.Tensor:
        """Prompt embeddings [R, P, E] plus those of positions 0..P - 1."""
        length = inputs_embeds.shape[1]
        return inputs_embeds + self._positions(torch.arange(length, device=inputs_embeds.device))

    def run(self, hidden: torch.Tensor, attend: Attend, keys_only: bool = False) -> torch.Tensor:
        """[R, T, E] -> [R, T, E], overwritten in place.

        Args:
            keys_only: only what the caches need: the last block ends with its keys and values.
        """
        rows, length, _ = hidden.shape
        for number, layer in enumerate(self.layers):
            qkv = layer.qkv(layer.norm_1(hidden)).view(rows, length, 3, self.n_heads, self.head_dim)
            output = attend(number, qkv)
            if keys_only and number == self.n_layers - 1:
                break
            hidden += layer.out(output.reshape(rows, length, -1))
            hidden += layer.down(layer.up(layer.norm_2(hidden)))
        return hidden

    def logits(self, hidden: torch.Tensor, head: Any, head_rows: tuple[int, int] | None = None) -> torch.Tensor:
        """[R, T, E] behind the last block -> float32 [R, T, V], for head rows start..stop - 1 or all."""
        return self.head_logits(self._norm(hidden), head, head_rows)

    @staticmethod
    def head_logits(hidden: torch.Tensor, head: Any, head_rows: tuple[int, int] | None = None) -> torch.Tensor:
        """As `logits`, of what the last norm gives."""
        start, stop = head_rows or (0, None)
        if is_plain(head, nn.Linear):
            return linear(hidden, head.weight[start:stop]).float()
        return head(hidden)[..., start:stop].float()


def is_lean(network: Any) -> bool:
    """Whether a network's blocks may be run by `LeanTrunk` on the CPU: nothing hangs on the modules that it goes past.

    A network in training mode has dropout; one with hooks on its blocks is watched, or its weights come and go.
    """
    if network.training or network.device.type != "cpu" or network.config._attn_implementation != "sdpa":
        return False
    passed = [network, *network.layers, *(block.attn for block in network.layers), *(b.mlp for b in network.layers)]
    return not any(has_hooks(module) for module in passed) and not any(
        hasattr(m, "_hf_hook") for m in network.modules()
    )
