"""The step function whose steps are one native call. Same arithmetic as `LeanSteps` over quantised layers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import torch

from ..generation.lean_steps import causal_attention
from ..generation.lean_trunk import LeanTrunk
from ..native import memory
from ..native.interface import HEAD_DIMS, OUTS, KeysValues, Layer, Network, Norm, blocks, pointer, step, write_prompt
from .native_product import INS, NativeProduct


def runs_natively(network: Any) -> bool:
    """Whether the kernels know a causal network's layers: quantised for them, and of sizes that they are made for."""
    config = network.config
    layers = [layer for block in network.layers for layer in _linears(block)]
    return (
        config.hidden_size % INS == 0
        and config.hidden_size // config.num_heads in HEAD_DIMS
        and all(isinstance(getattr(layer, "step_product", None), NativeProduct) for layer in layers)
    )


def _linears(block: Any) -> tuple[Any, Any, Any, Any]:
    return block.attn.att_proj, block.attn.out_proj, block.mlp.in_proj, block.mlp.out_proj


def describe(network: Any, product: str) -> Network:
    """The network as the kernels see it; its tensors stay the network's.

    Args:
        product: which of the linears' products: "step_product" or "many_product".
    """
    layers = (Layer * len(network.layers))()
    for layer, block in zip(layers, network.layers, strict=True):
        layer.norm_1, layer.norm_2 = _norm(block.layernorm_1), _norm(block.layernorm_2)
        layer.qkv, layer.out, layer.up, layer.down = (getattr(linear, product).struct for linear in _linears(block))
    config = network.config
    described = Network(
        layers=ctypes.cast(layers, ctypes.POINTER(Layer)),
        norm=_norm(network.layernorm_final),
        n_layers=len(network.layers),
        width=config.hidden_size,
        n_heads=config.num_heads,
        head_dim=config.hidden_size // config.num_heads,
    )
    head = getattr(getattr(network, "lm_head", None), product, None)
    if isinstance(head, NativeProduct):
        described.head = head.struct
    described.kept = layers  # a cast pointer keeps nothing alive
    return described


def _norm(norm: Any) -> Norm:
    return Norm(pointer(norm.weight.data), None if norm.bias is None else pointer(norm.bias.data), norm.eps)


class NativeSteps:
    """Steps of a quantised causal network: all layers in one call, keys and values in 8 bits.

    Args:
        network: a `BarkCausalNetwork` for which `runs_natively` holds.
        n_rows: items in the batch.
        max_length: positions that prompt and generated tokens need together.
        prompt_attention: attention of the prefill, [R, P, 3, heads, D] -> [R, P, heads, D].
    """

    def __init__(
        self,
        network: Any,
        n_rows: int,
        max_length: int,
        prompt_attention: Callable[[torch.Tensor], torch.Tensor] = causal_attention,
    ):
        self.lengths = [0] * n_rows  # positions filled, per row
        self._trunk, self._network = LeanTrunk(network), network
        self._for_steps, self._for_prompts = (describe(network, name) for name in ("step_product", "many_product"))
        self._prompt_attention = prompt_attention
        trunk, room = self._trunk, -(-max_length // OUTS) * OUTS
        shape = (trunk.n_layers, n_rows, trunk.n_heads, room)
        self._states = (  # keys, values and their scales, as kernels.h says
            memory.empty(*shape, trunk.head_dim, dtype=torch.int8),
            memory.empty(*shape, trunk.head_dim, dtype=torch.int8),
            memory.empty(*shape, 3, dtype=torch.float32),
        )
        self._cache = KeysValues(*map(pointer, self._states), n_rows, room)

    def prefill(self, rows: list[int], inputs_embeds: torch.Tensor) -> None:
        """See `StepFunction`."""
        hidden = self._trunk.place(inputs_embeds)
        if not all(
            blocks(self._for_prompts, self._cache, row, own, True) for row, own in zip(rows, hidden, strict=True)
        ):
            self._prefill_by_layers(rows, hidden)
        for row in rows:
            self.lengths[row] = inputs_embeds.shape[1]

    def _prefill_by_layers(self, rows: list[int], hidden: torch.Tensor) -> None:
        """Without AMX."""

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            for row, own in zip(rows, qkv.flatten(2), strict=True):
                write_prompt(self._for_prompts, self._cache, layer, row, own)
            if layer == self._trunk.n_layers - 1:
                return qkv[:, :, 0]  # nobody asks for the last block's output
            return self._prompt_attention(qkv)

        self._trunk.run(hidden, attend, keys_only=True)

    def step(self, tokens: torch.Tensor, head_rows: tuple[int, int] | None) -> torch.Tensor:
        """See `StepFunction`."""
        hidden = self._trunk.place_step(self._network.input_embeds_layer(tokens), torch.tensor(self.lengths))[:, 0]
        start, stop = head_rows or (0, self._network.lm_head.out_features)
        first, last = start // OUTS * OUTS, -(-stop // OUTS) * OUTS
        logits = step(self._for_steps, self._cache, hidden, self.lengths, (first, last))
        self.lengths = [length + 1 for length in self.lengths]
        if logits is None:
            return self._trunk.head_logits(hidden, self._network.lm_head, head_rows)
        return logits[:, start - first : stop - first]

    def keep(self, rows: list[int]) -> None:
        """See `StepFunction`."""
        index = torch.tensor(rows)
        for states in self._states:
            for layer in states:
                layer[: len(rows)] = layer[index]
        self.lengths = [self.lengths[row] for row in rows]


def run_window(network: Any, hidden: torch.Tensor) -> bool:
    """The blocks of a non-causal network over float32 [A, N, E], overwritten; False where the kernels can't do it."""
    described = describe(network, "many_product")
    return all(blocks(described, None, 0, own, False) for own in hidden)
