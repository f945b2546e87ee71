"""A causal network as a step function: feed tokens, get the logits of the next one.

Joins a network and a static cache; knows no stage and no sampling. `LeanSteps` does the same with less around it where
a network allows it, `FloatSteps` in one native call; `bark_hf.acceleration` has more classes with the same methods.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch

from .cache import RowCache
from .lean_steps import LeanSteps
from .lean_trunk import is_lean
from .native_steps import FloatSteps, runs_natively


class StepFunction(Protocol):
    """What the decoding loop needs. Rows are items that are still being generated, in order."""

    def prefill(self, rows: list[int], inputs_embeds: torch.Tensor) -> None:
        """Start `rows` anew with prompt embeddings [len(rows), P, E]."""

    def step(self, tokens: torch.Tensor, head_rows: tuple[int, int] | None) -> torch.Tensor:
        """Feed one token id per row, int64 [rows]; returns float32 logits [rows, V] of the next one."""

    def keep(self, rows: list[int]) -> None:
        """Drop all rows but these (ascending)."""


class CachedSteps:
    """Steps of a causal network over a `RowCache`.

    Args:
        network: a `BarkCausalNetwork`.
        n_rows: items in the batch.
        max_length: positions that prompt and generated tokens need together; at most the network's `block_size`.
    """

    def __init__(self, network: Any, n_rows: int, max_length: int):
        self.network = network
        self.cache = RowCache(n_rows, max_length)

    def prefill(self, rows: list[int], inputs_embeds: torch.Tensor) -> None:
        """See `StepFunction`."""
        self.cache.begin_prefill(rows, inputs_embeds.shape[1])
        self.network(
            inputs_embeds=inputs_embeds, past_key_values=self.cache, use_cache=True, logits_to_keep=1, head_rows=(0, 0)
        )

    def step(self, tokens: torch.Tensor, head_rows: tuple[int, int] | None) -> torch.Tensor:
        """See `StepFunction`."""
        positions = self.cache.lengths[:1] if self.cache.aligned else self.cache.lengths
        self.cache.begin_step()
        output = self.network(
            input_ids=tokens[:, None],
            past_key_values=self.cache,
            attention_mask=self.cache.step_mask(tokens.device),
            position_ids=torch.tensor(positions, device=tokens.device)[:, None],
            use_cache=True,
            logits_to_keep=1,
            head_rows=head_rows,
        )
        return output.logits[:, 0].float()

    def keep(self, rows: list[int]) -> None:
        """See `StepFunction`."""
        self.cache.keep(rows)


def open_steps(network: Any, n_rows: int, max_length: int) -> StepFunction:
    """The step function of `network`: what an acceleration has put there, or the fastest of those that fit it."""
    factory = getattr(network, "steps_factory", None) or _factory(network)
    return factory(network, n_rows, max_length)


def _factory(network: Any) -> Any:
    if not is_lean(network):
        return CachedSteps
    return FloatSteps if runs_natively(network) else LeanSteps
