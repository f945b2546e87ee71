"""Decode steps whose shapes never change, so that CUDA can replay them as one graph, and a compiler fuse them.

A step of a small network is hundreds of kernels of microseconds; launching them from Python takes longer than running
them. A captured graph launches them at once. Everything that varies (tokens, positions) is a tensor written before the
replay; rows and length come in a few sizes, each captured once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import nn

from ..generation.lean_trunk import LeanTrunk

LENGTH_STEP = 256  # a step reads its caches up to the next multiple


class Recorder(Protocol):
    """Makes a function that repeats what another one did."""

    def __call__(self, work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]: ...


def record_cuda_graph(work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    """Capture `work`, which must read and write the same tensors each time; the result's memory is reused."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries choose their kernels and allocate before the capture
        for _ in range(2):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()

    def replay() -> torch.Tensor:
        graph.replay()
        return result

    return replay


def do_not_record(work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    """The work itself."""
    return work


class StaticStates:
    """Caches and recordings of one network, kept from call to call.

    Args:
        capture: record CUDA graphs.
        compile: compile the step.
        recorder: overrides the way of recording.
        backend: of `torch.compile`.
    """

    def __init__(
        self, capture: bool, compile: bool = False, recorder: Recorder | None = None, backend: str = "inductor"
    ):
        self.recorder = recorder or (record_cuda_graph if capture else do_not_record)
        self.compile, self.backend = compile, backend
        self._state: StaticState | None = None

    def get(self, network: Any, n_rows: int, max_length: int) -> StaticState:
        """A state with room for the rows and positions; the last one, if it is large enough and still up to date."""
        state = self._state
        if state is None or not state.fits(network, n_rows, max_length):
            self._state = None  # its memory goes before the next one's comes
            state = self._state = StaticState(network, _row_size(n_rows), _length_size(max_length), self)
        return state


class StaticState:
    """Buffers that never move, and the step over them."""

    def __init__(self, network: Any, n_rows: int, max_length: int, settings: StaticStates):
        self.trunk, self.network, self.settings = LeanTrunk(network), network, settings
        like = network.position_embeds_layer.weight
        self.n_rows, self.max_length, self.pointer = n_rows, max_length, like.data_ptr()
        shape = (2, self.trunk.n_layers, n_rows, self.trunk.n_heads, max_length, self.trunk.head_dim)
        self.keys, self.values = like.new_zeros(shape)
        self.tokens = torch.zeros(n_rows, dtype=torch.long, device=like.device)
        self.positions = torch.zeros(n_rows, dtype=torch.long, device=like.device)
        self.places = torch.arange(max_length, device=like.device)
        self.rows = torch.arange(n_rows, device=like.device)
        self._step = torch.compile(self._forward, dynamic=False, backend=settings.backend) if settings.compile else None
        self._recorded: dict[tuple[Any, ...], Callable[[], torch.Tensor]] = {}

    def fits(self, network: Any, n_rows: int, max_length: int) -> bool:
        same = network is self.network and network.position_embeds_layer.weight.data_ptr() == self.pointer
        return same and n_rows <= self.n_rows and max_length <= self.max_length

    def step(self, n_rows: int, length: int, head_rows: tuple[int, int] | None) -> torch.Tensor:
        """Logits [rows or more, V] of the tokens and positions in the buffers."""
        sizes = (min(_row_size(n_rows), self.n_rows), min(_length_size(length), self.max_length), head_rows)
        if sizes not in self._recorded:
            forward = self._step or self._forward
            self._recorded[sizes] = self.settings.recorder(lambda: forward(*sizes))
        return self._recorded[sizes]()

    def _forward(self, n_rows: int, length: int, head_rows: tuple[int, int] | None) -> torch.Tensor:
        positions, rows = self.positions[:n_rows], self.rows[:n_rows]
        mask = (self.places[:length] <= positions[:, None])[:, None, None]  # [R, 1, 1, length]

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            query, key, value = qkv.unbind(2)
            keys, values = self.keys[layer], self.values[layer]  # [rows, heads, max_length, D]
            keys[rows, :, positions], values[rows, :, positions] = key[:, 0], value[:, 0]
            return nn.functional.scaled_dot_product_attention(
                query.transpose(1, 2), keys[:n_rows, :, :length], values[:n_rows, :, :length], attn_mask=mask
            ).transpose(1, 2)

        hidden = self.trunk.place_step(self.network.input_embeds_layer(self.tokens[:n_rows]), positions)
        return self.trunk.logits(self.trunk.run(hidden, attend), self.network.lm_head, head_rows)[:, 0]


class GraphSteps:
    """Steps of a causal network over a `StaticState`.

    Args:
        network: a `BarkCausalNetwork`.
        n_rows: items in the batch.
        max_length: positions that prompt and generated tokens need together.
        states: where the network's buffers and recordings are.
    """

    def __init__(self, network: Any, n_rows: int, max_length: int, states: StaticStates):
        self._state = states.get(network, n_rows, max_length)
        self.lengths = [0] * n_rows  # positions filled, per row; the device has them in `positions`
        self._state.positions.zero_()

    def prefill(self, rows: list[int], inputs_embeds: torch.Tensor) -> None:
        """See `StepFunction`."""
        state, length = self._state, inputs_embeds.shape[1]
        where = torch.tensor(rows, device=state.rows.device)

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            query, key, value = qkv.permute(2, 0, 3, 1, 4)  # [R, heads, P, D] each
            state.keys[layer, where, :, :length], state.values[layer, where, :, :length] = key, value
            if layer == state.trunk.n_layers - 1:
                return query  # nobody asks for the last block's output
            return nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2)

        state.trunk.run(state.trunk.place(inputs_embeds), attend, keys_only=True)
        state.positions[where] = length
        for row in rows:
            self.lengths[row] = length

    def step(self, tokens: torch.Tensor, head_rows: tuple[int, int] | None) -> torch.Tensor:
        """See `StepFunction`."""
        state, n_rows = self._state, len(self.lengths)
        state.tokens[:n_rows] = tokens
        self.lengths = [length + 1 for length in self.lengths]
        logits = state.step(n_rows, max(self.lengths), head_rows)[:n_rows].clone()  # the next replay overwrites it
        state.positions[:n_rows] += 1
        return logits

    def keep(self, rows: list[int]) -> None:
        """See `StepFunction`."""
        state, end = self._state, max((self.lengths[row] for row in rows), default=0)
        index = torch.tensor(rows, device=state.rows.device)
        for layer in range(state.trunk.n_layers):
            for part in (state.keys[layer], state.values[layer]):
                part[: len(rows), :, :end] = part[index, :, :end]
        state.positions[: len(rows)] = state.positions[index]
        state.positions[len(rows) :] = 0  # rows that only fill up the size write where nobody looks
        self.lengths = [self.lengths[row] for row in rows]


def _row_size(n_rows: int) -> int:
    """The next power of two."""
    return 1 << max(0, n_rows - 1).bit_length()


def _length_size(length: int) -> int:
    return -(-length // LENGTH_STEP) * LENGTH_STEP
