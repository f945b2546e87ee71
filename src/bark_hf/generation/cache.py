"""A static key/value cache whose rows may stand at different positions.

Knows keys, values and positions; knows no token. Written in place, allocated once per stage. A `Cache` of Transformers'
kind, so the networks use it through the ordinary `past_key_values`.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache


class RowCache(Cache):
    """Keys and values [rows, heads, max_length, head_dim] per layer, each row with its own length.

    Before a forward, `begin_prefill` or `begin_step` says what the forward's `update` calls mean: a prefill writes the
    first positions of some rows and attends to these alone; a step writes one position behind each row's length.

    Args:
        n_rows: rows that start; `keep` drops some of them.
        max_length: positions to allocate, on the first use of each layer, with the dtype and device of its keys.
    """

    def __init__(self, n_rows: int, max_length: int):
        super().__init__(layers=[])
        self._shape = (n_rows, max_length)
        self._states: dict[int, torch.Tensor] = {}  # per layer: [2 (keys, values), rows, heads, max_length, head_dim]
        self.lengths = [0] * n_rows  # positions filled, per row; known on the host, so no step has to ask the device
        self._rows: list[int] | None = None
        self._query_length = 0
        self._prefilling = False
        self._positions: list[int] | None = None

    @property
    def aligned(self) -> bool:
        """Whether all rows have the same length, so that a step needs neither mask nor scatter."""
        return len(set(self.lengths)) <= 1

    def begin_prefill(self, rows: list[int], length: int) -> None:
        """The next forward writes positions 0..length - 1 of `rows`, whatever was there before."""
        every_row = len(rows) == len(self.lengths)
        self._rows = None if every_row else rows
        self._prefilling, self._query_length = True, length
        for row in rows:
            self.lengths[row] = length

    def begin_step(self) -> None:
        """The next forward writes one position per row, behind its length."""
        self._prefilling, self._query_length = False, 1
        self._positions = None if self.aligned else self.lengths
        self.lengths = [length + 1 for length in self.lengths]

    def step_mask(self, device: torch.device) -> torch.Tensor | None:
        """Which keys each row of the step may see, bool [rows, keys], or None if all see all."""
        if self._positions is None:
            return None
        lengths = torch.tensor(self.lengths, device=device)
        return torch.arange(max(self.lengths), device=device) < lengths[:, None]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store new keys and values [R, heads, Q, D]; returns what the queries may attend to."""
        states = self._states.get(layer_idx)
        if states is None:
            n_rows, max_length = self._shape
            shape = (2, n_rows, key_states.shape[1], max_length, key_states.shape[3])
            states = self._states[layer_idx] = key_states.new_zeros(shape)
        keys, values = states
        n_rows = len(self.lengths)
        if self._prefilling:
            rows = slice(n_rows) if self._rows is None else torch.tensor(self._rows, device=keys.device)
            keys[rows, :, : self._query_length] = key_states
            values[rows, :, : self._query_length] = value_states
            return key_states, value_states
        end = max(self.lengths)
        if self._positions is None:
            keys[:n_rows, :, end - 1] = key_states[:, :, 0]
            values[:n_rows, :, end - 1] = value_states[:, :, 0]
        else:
            rows = torch.arange(n_rows, device=keys.device)
            positions = torch.tensor(self._positions, device=keys.device)
            keys[rows, :, positions] = key_states[:, :, 0]
            values[rows, :, positions] = value_states[:, :, 0]
        return keys[:n_rows, :, :end], values[:n_rows, :, :end]

    def keep(self, rows: list[int]) -> None:
        """Drop all rows but `rows` (ascending); the kept ones move to the front, in place."""
        end = max((self.lengths[row] for row in rows), default=0)
        for states in self._states.values():
            index = torch.tensor(rows, device=states.device)
            states[:, : len(rows), :, :end] = states[:, index, :, :end]
        self.lengths = [self.lengths[row] for row in rows]

    # What Transformers' mask functions ask a cache.
    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0 if self._prefilling or not self.lengths else max(self.lengths) - self._query_length

    def get_query_offset(self, layer_idx: int = 0) -> int:
        return self.get_seq_length()

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0
