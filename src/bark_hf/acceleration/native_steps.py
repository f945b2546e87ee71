"""Native steps and windows of quantised layers: weights, keys and values in 8 bits or less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..generation.lean_steps import causal_attention
from ..generation.native_steps import NativeSteps, block_linears, describe
from ..native import memory
from ..native.interface import HEAD_DIMS, OUTS, blocks
from .native_product import INS, NativeProduct


def runs_natively(network: Any) -> bool:
    """Whether the kernels know a network's layers: quantised for them, and of sizes that they are made for."""
    config = network.config
    layers = [layer for block in network.layers for layer in block_linears(block)]
    return (
        config.hidden_size % INS == 0
        and config.hidden_size // config.num_heads in HEAD_DIMS
        and all(isinstance(getattr(layer, "step_product", None), NativeProduct) for layer in layers)
    )


class QuantizedSteps(NativeSteps):
    """Steps of a quantised causal network.

    Args:
        network: a `BarkCausalNetwork` for which `runs_natively` holds.
        n_rows: items in the batch.
        max_length: positions that prompt and generated tokens need together.
        prompt_attention: attention of the prefill where there is no AMX.
    """

    def __init__(
        self,
        network: Any,
        n_rows: int,
        max_length: int,
        prompt_attention: Callable[[torch.Tensor], torch.Tensor] = causal_attention,
    ):
        config = network.config
        room = -(-max_length // OUTS) * OUTS
        shape = (len(network.layers), n_rows, config.num_heads, room)
        head_dim = config.hidden_size // config.num_heads
        states = (
            memory.empty(*shape, head_dim, dtype=torch.int8),
            memory.empty(*shape, head_dim, dtype=torch.int8),
            memory.empty(*shape, 3, dtype=torch.float32),
        )
        described = describe(network, lambda layer: layer.step_product.struct)
        if isinstance(getattr(network.lm_head, "step_product", None), NativeProduct):
            described.head = network.lm_head.step_product.struct
        super().__init__(network, described, states, room, prompt_attention)
        self._for_prompts = describe(network, lambda layer: layer.many_product.struct)

    def _fill(self, rows: list[int], hidden: torch.Tensor) -> None:
        pairs = zip(rows, hidden, strict=True)
        if not all(blocks(self._for_prompts, self._cache, row, own, True) for row, own in pairs):
            super()._fill(rows, hidden)


def run_window(network: Any, hidden: torch.Tensor) -> bool:
    """The blocks of a non-causal network over float32 [A, N, E], overwritten; False where the kernels can't do it."""
    described = describe(network, lambda layer: layer.many_product.struct)
    return all(blocks(described, None, 0, own, False) for own in hidden)
