"""The step function whose steps are one native call: all layers of a causal network, for CPUs with AVX-512.

Same arithmetic as `LeanSteps`, other order of sums. Quantised layers have a class of their own in `acceleration`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..native import memory
from ..native.building import why_not
from ..native.interface import (
    FLOAT32,
    HEAD_DIMS,
    OUTS,
    KeysValues,
    Layer,
    Linear,
    Network,
    Norm,
    pointer,
    step,
    write_prompt,
)
from .lean_steps import causal_attention
from .lean_trunk import LeanTrunk
from .linear_functions import is_plain


def block_linears(block: Any) -> tuple[Any, Any, Any, Any]:
    """The four linear layers of a block."""
    return block.attn.att_proj, block.attn.out_proj, block.mlp.in_proj, block.mlp.out_proj


def describe(network: Any, linear: Callable[[Any], Linear]) -> Network:
    """The network as the kernels see it, without a head; its tensors stay the network's.

    Args:
        linear: a layer as the kernels see it.
    """
    layers = (Layer * len(network.layers))()
    for layer, block in zip(layers, network.layers, strict=True):
        layer.norm_1, layer.norm_2 = _norm(block.layernorm_1), _norm(block.layernorm_2)
        layer.qkv, layer.out, layer.up, layer.down = map(linear, block_linears(block))
    config = network.config
    described = Network(
        layers=ctypes.cast(layers, ctypes.POINTER(Layer)),
        norm=_norm(network.layernorm_final),
        n_layers=len(network.layers),
        width=config.hidden_size,
        n_heads=config.num_heads,
        head_dim=config.hidden_size // config.num_heads,
    )
    described.kept = layers  # a cast pointer keeps nothing alive
    return described


def _norm(norm: Any) -> Norm:
    return Norm(pointer(norm.weight.data), None if norm.bias is None else pointer(norm.bias.data), norm.eps)


class NativeSteps:
    """What native steps of all kinds share.

    Args:
        network: a `BarkCausalNetwork`.
        described: the network for steps.
        states: keys, values, and their scales where they are rounded: [n_layers, n_rows, ...] each, as kernels.h says.
        room: positions per row.
        prompt_attention: attention of the prefill, [R, P, 3, heads, D] -> [R, P, heads, D].
    """

    def __init__(
        self,
        network: Any,
        described: Network,
        states: tuple[torch.Tensor, ...],
        room: int,
        prompt_attention: Callable[[torch.Tensor], torch.Tensor],
    ):
        self.lengths = [0] * states[0].shape[1]  # positions filled, per row
        self._network, self._described, self._trunk = network, described, LeanTrunk(network)
        self._states, self._prompt_attention = states, prompt_attention
        keys, values, scales = (*states, None)[:3]
        self._cache = KeysValues(pointer(keys), pointer(values), pointer(scales), len(self.lengths), room)

    def prefill(self, rows: list[int], inputs_embeds: torch.Tensor) -> None:
        """See `StepFunction`."""
        self._fill(rows, self._trunk.place(inputs_embeds))
        for row in rows:
            self.lengths[row] = inputs_embeds.shape[1]

    def _fill(self, rows: list[int], hidden: torch.Tensor) -> None:
        """Write the keys and values of prompts [R, P, E]."""

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            for row, own in zip(rows, qkv.flatten(2), strict=True):
                write_prompt(self._described, self._cache, layer, row, own)
            if layer == self._trunk.n_layers - 1:
                return qkv[:, :, 0]  # nobody asks for the last block's output
            return self._prompt_attention(qkv)

        self._trunk.run(hidden, attend, keys_only=True)

    def step(self, tokens: torch.Tensor, head_rows: tuple[int, int] | None) -> torch.Tensor:
        """See `StepFunction`."""
        hidden = self._trunk.place_step(self._network.input_embeds_layer(tokens), torch.tensor(self.lengths))[:, 0]
        start, stop = head_rows or (0, self._network.lm_head.out_features)
        outs, skipped = self._choose_outs(start, stop)
        logits = step(self._described, self._cache, hidden, self.lengths, outs)
        self.lengths = [length + 1 for length in self.lengths]
        if logits is None:
            return self._trunk.head_logits(hidden, self._network.lm_head, head_rows)
        return logits[:, skipped : skipped + stop - start]

    def _choose_outs(self, start: int, stop: int) -> tuple[tuple[int, int], int]:
        """Outputs from..to of the head to compute for start..stop - 1, multiples of 16; how many are in front."""
        return (start // OUTS * OUTS, -(-stop // OUTS) * OUTS), start % OUTS

    def keep(self, rows: list[int]) -> None:
        """See `StepFunction`."""
        index = torch.tensor(rows)
        for states in self._states:
            for layer in states:
                layer[: len(rows)] = layer[index]
        self.lengths = [self.lengths[row] for row in rows]


class FloatSteps(NativeSteps):
    """Steps in float32.

    Args:
        network: a `BarkCausalNetwork` for which `runs_natively` holds.
        n_rows: items in the batch.
        max_length: positions that prompt and generated tokens need together.
    """

    def __init__(self, network: Any, n_rows: int, max_length: int):
        config = network.config
        room = -(-max_length // OUTS) * OUTS
        shape = (len(network.layers), n_rows, config.num_heads, room, config.hidden_size // config.num_heads)
        states = (memory.empty(*shape, dtype=torch.float32), memory.empty(*shape, dtype=torch.float32))
        super().__init__(network, describe(network, float_linear), states, room, causal_attention)

    def _choose_outs(self, start: int, stop: int) -> tuple[tuple[int, int], int]:
        """The head's rows lie one behind the other, so any of them can be the first."""
        self._described.head = float_linear(self._network.lm_head, start, stop)
        return (0, -(-(stop - start) // OUTS) * OUTS), 0


def float_linear(layer: Any, start: int = 0, stop: int | None = None) -> Linear:
    """Outputs start..stop - 1 of a plain linear layer as the kernels see them."""
    weight = layer.weight.data[start:stop]
    bias = None if layer.bias is None else pointer(layer.bias.data[start:stop])
    return Linear(weight=pointer(weight), bias=bias, n_in=weight.shape[1], n_out=weight.shape[0], group=FLOAT32)


def runs_natively(network: Any) -> bool:
    """Whether `FloatSteps` can run a network that may be run by `LeanTrunk`: plain float32 layers, fitting sizes."""
    config = network.config
    linears = [*(layer for block in network.layers for layer in block_linears(block)), network.lm_head]
    norms = [network.layernorm_final, *(norm for b in network.layers for norm in (b.layernorm_1, b.layernorm_2))]
    parts = (network.layers, network.layernorm_final, network.lm_head)
    tensors = [tensor for part in parts for tensor in part.parameters()]
    return (
        config.hidden_size % OUTS == 0
        and config.hidden_size // config.num_heads in HEAD_DIMS
        and all(is_plain(layer, nn.Linear) for layer in linears)
        and all(is_plain(norm, nn.LayerNorm) for norm in norms)
        and all(tensor.dtype == torch.float32 and tensor.is_contiguous() for tensor in tensors)
        and why_not() is None
    )
