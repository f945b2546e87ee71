"""The step function for CPUs: static caches, stored transposed, nothing in a step but its arithmetic.

At batch 1 a step of a small network is dozens of operations of microseconds each, so whatever a forward does besides
them (masks, cache objects, modules) costs as much as they do. Same arithmetic as `CachedSteps`, other order of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .lean_trunk import LeanTrunk

ALIGNMENT = 16  # positions; runs that start on odd addresses are read at half the speed


def causal_attention(qkv: torch.Tensor) -> torch.Tensor:
    """Causal attention of a prompt to itself: [R, P, 3, heads, D] -> [R, P, heads, D]."""
    return nn.functional.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4), is_causal=True).transpose(1, 2)


class LeanSteps:
    """Steps of a causal network on a CPU.

    Args:
        network: a `BarkCausalNetwork` for which `lean_trunk.is_lean` holds.
        n_rows: items in the batch.
        max_length: positions that prompt and generated tokens need together.
        prompt_attention: attention of the prefill, [R, P, 3, heads, D] -> [R, P, heads, D].
        value_dtype: of the cached values; default: the network's.
    """

    def __init__(
        self,
        network: Any,
        n_rows: int,
        max_length: int,
        prompt_attention: Callable[[torch.Tensor], torch.Tensor] = causal_attention,
        value_dtype: torch.dtype | None = None,
    ):
        self.trunk, self._embed, self._head = LeanTrunk(network), network.input_embeds_layer, network.lm_head
        self.lengths = [0] * n_rows  # positions filled, per row
        self._prompt_attention = prompt_attention
        trunk, like = self.trunk, network.position_embeds_layer.weight
        room = -(-max_length // ALIGNMENT) * ALIGNMENT
        # Positions come last, so that a step reads long runs; zeros, because what is masked is multiplied with 0.
        shape = (trunk.n_layers, n_rows, trunk.n_heads, trunk.head_dim, room)
        self._keys, self._values = like.new_zeros(shape), like.new_zeros(shape, dtype=value_dtype)
        self._no_mask = like.new_zeros(1)

    def prefill(self, rows: list[int], inputs_embeds: torch.Tensor) -> None:
        """See `StepFunction`."""
        length = inputs_embeds.shape[1]
        where: Any = slice(len(rows)) if len(rows) == len(self.lengths) else torch.tensor(rows)

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            query, key, value = qkv.unbind(2)
            self._keys[layer][where, :, :, :length] = key.permute(0, 2, 3, 1)  # [R, heads, D, P]
            self._values[layer][where, :, :, :length] = value.permute(0, 2, 3, 1).to(self._values.dtype)
            if layer == self.trunk.n_layers - 1:
                return query  # nobody asks for the last block's output
            return self._prompt_attention(qkv)

        self.trunk.run(self.trunk.place(inputs_embeds), attend, keys_only=True)
        for row in rows:
            self.lengths[row] = length

    def step(self, tokens: torch.Tensor, head_rows: tuple[int, int] | None) -> torch.Tensor:
        """See `StepFunction`."""
        aligned = min(self.lengths) == max(self.lengths)
        positions = torch.tensor(self.lengths[:1] if aligned else self.lengths)
        self.lengths = [length + 1 for length in self.lengths]
        hidden = self.trunk.place_step(self._embed(tokens), positions)
        hidden = self.trunk.run(hidden, self._attend(positions, aligned))
        return self.trunk.logits(hidden, self._head, head_rows)[:, 0]

    def _attend(self, positions: torch.Tensor, aligned: bool) -> Callable[..., torch.Tensor]:
        """Attention of one new position per row to all that its row has, itself included."""
        n_rows, n_heads, dim, end = len(self.lengths), self.trunk.n_heads, self.trunk.head_dim, max(self.lengths)
        mask = self._no_mask if aligned else self._mask(end)
        rows = torch.arange(n_rows)
        scale, beta = dim**-0.5, 0.0 if aligned else 1.0

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            query, key, value = qkv.unbind(2)
            keys, values = self._keys[layer, :n_rows], self._values[layer, :n_rows]
            if aligned:
                keys[..., end - 1], values[..., end - 1] = key[:, 0], value[:, 0]
            else:
                keys[rows, :, :, positions], values[rows, :, :, positions] = key[:, 0], value[:, 0].to(values.dtype)
            keys, values = keys.flatten(0, 1)[..., :end], values.flatten(0, 1)[..., :end]  # [R * heads, D, end]
            query = query.reshape(n_rows * n_heads, 1, dim)
            weights = torch.baddbmm(mask, query, keys, beta=beta, alpha=scale).softmax(-1)  # [R * heads, 1, end]
            output = torch.bmm(weights.to(values.dtype), values.transpose(1, 2))
            return output.to(key.dtype).view(n_rows, 1, n_heads, dim)

        return attend

    def _mask(self, end: int) -> torch.Tensor:
        """0 where a row may look, -inf behind its end: [R * heads, 1, end]."""
        hidden = torch.arange(end) >= torch.tensor(self.lengths)[:, None]
        mask = torch.zeros(hidden.shape, dtype=self._keys.dtype).masked_fill_(hidden, -torch.inf)
        return mask.repeat_interleave(self.trunk.n_heads, 0)[:, None]

    def keep(self, rows: list[int]) -> None:
        """See `StepFunction`."""
        end, index = max((self.lengths[row] for row in rows), default=0), torch.tensor(rows)
        for keys, values in zip(self._keys, self._values, strict=True):
            keys[: len(rows), ..., :end] = keys[index, ..., :end]
            values[: len(rows), ..., :end] = values[index, ..., :end]
        self.lengths = [self.lengths[row] for row in rows]
