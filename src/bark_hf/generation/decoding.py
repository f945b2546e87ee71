"""The one autoregressive loop, shared by the semantic and the coarse stage.

Knows rows, steps and limits; knows neither network nor vocabulary: a step function gives logits, `pick` makes tokens of
them. Rows that have ended leave the batch, so they stop costing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from .steps import StepFunction

# pick(logits [R, V], n, rows [R]) -> ids int64 [R]: the n-th tokens of the rows with these original numbers
Pick = Callable[[torch.Tensor, int, torch.Tensor], torch.Tensor]

EOS_CHECK_INTERVAL = 16  # steps between looks at the device for ended rows; a look on a CPU costs nothing


def decode(
    steps: StepFunction,
    first_tokens: torch.Tensor,
    pick: Pick,
    limits: Sequence[int],
    out: torch.Tensor,
    head_rows: Callable[[int], tuple[int, int] | None],
    eos_token_id: int | None = None,
    on_step: Callable[[int], None] | None = None,
) -> list[int]:
    """Generate up to `limits[r]` tokens for every row r, into `out`.

    Args:
        steps: step function whose rows are prefilled.
        first_tokens: int64 [R], fed first (the last token of each prompt).
        pick: makes tokens of logits.
        limits: tokens per row at most, each at least 1.
        out: int64 [R, max(limits)], filled in place.
        head_rows: head rows that step n needs, or None for all.
        eos_token_id: ends a row when drawn; None if rows end by their limits alone.
        on_step: called with the number of tokens drawn so far.

    Returns:
        tokens of each row, EOS not counted.
    """
    device, interval = out.device, 1 if out.device.type == "cpu" else EOS_CHECK_INTERVAL
    rows = list(range(len(limits)))  # rows still in the batch
    index = torch.arange(len(rows), device=device)
    tokens = first_tokens
    for n in range(max(limits)):
        tokens = pick(steps.step(tokens, head_rows(n)), n, index)
        out[index, n] = tokens
        if on_step is not None:
            on_step(n + 1)
        alive = [r for r in rows if limits[r] > n + 1]
        if eos_token_id is not None and alive and (n + 1) % interval == 0:
            ended = (out[index, : n + 1] == eos_token_id).any(dim=1).tolist()
            gone = {r for r, end in zip(rows, ended, strict=True) if end}
            alive = [r for r in alive if r not in gone]
        if not alive:
            break
        if len(alive) < len(rows):
            places = [place for place, r in enumerate(rows) if r in set(alive)]
            steps.keep(places)
            rows, index, tokens = alive, torch.tensor(alive, device=device), tokens[places]
    return _lengths(out, limits, eos_token_id)


def _lengths(out: torch.Tensor, limits: Sequence[int], eos_token_id: int | None) -> list[int]:
    if eos_token_id is None:
        return list(limits)
    is_eos = out == eos_token_id
    first = torch.where(is_eos.any(dim=1), is_eos.int().argmax(dim=1), out.shape[1]).tolist()
    return [min(end, limit) for end, limit in zip(first, limits, strict=True)]
