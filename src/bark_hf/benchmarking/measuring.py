"""Seconds of every stage of every mode, in turns, on the same tokens."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .modes import EXACT, TRANSFORMERS, stages_of
from .pair import STAGES, Stages, build, n_semantic, random_text, random_tokens, seconds_of_sound


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        size: of the networks, see `SIZES`.
        device: where they ran.
        batch: items at once.
        n_tokens: semantic tokens per item.
        seconds: mode -> stage -> seconds, one number per round.
        described: mode -> what it says of itself.
        tokens_equal: stage -> whether the exact mode made the tokens of Transformers, if both were measured. They
            can't where Transformers draws ids above the second codebook's range (docs/parity.md).
        faults: what makes a figure worthless.
    """

    size: str
    device: str
    batch: int
    n_tokens: int
    seconds: dict[str, dict[str, list[float]]]
    described: dict[str, str]
    tokens_equal: dict[str, bool]
    faults: list[str]

    @property
    def sound(self) -> float:
        """Seconds of sound of the whole batch."""
        return seconds_of_sound(self.batch, self.n_tokens)

    def median(self, mode: str, stage: str) -> float:
        """Seconds, over the rounds."""
        return statistics.median(self.seconds[mode][stage])

    def total(self, mode: str) -> float:
        """Seconds of all stages, each its median."""
        return sum(self.median(mode, stage) for stage in STAGES)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        factors = {mode: self.total(mode) / self.sound for mode in self.seconds}
        return vars(self) | {"seconds_of_sound": self.sound, "real_time_factor": factors}


def measure(
    modes: Sequence[str],
    size: str = "small",
    seconds: float = 10.0,
    batch: int = 1,
    rounds: int = 3,
    device: str = "cpu",
    say: Callable[[str], None] = lambda line: None,
) -> Measured:
    """Run every stage of every mode `rounds` times, one mode directly after the other.

    Args:
        modes: of `MODES`.
        size: of `SIZES`; the weights are random.
        seconds: of sound per item.
        batch: items.
        device: where both sides run.
        say: told what happens, a line each.
    """
    n_tokens, ids = n_semantic(seconds), random_text(batch, device)
    ours, theirs = build(size, device)
    described: dict[str, str] = {}
    stages: dict[str, Stages] = {}
    for mode in modes:
        described[mode], stages[mode] = stages_of(mode, ours, theirs, ids, n_tokens)
        say(f"{mode}: {described[mode]}")
    given = random_tokens(batch, n_tokens, device)
    taken: dict[str, dict[str, list[float]]] = {mode: {stage: [] for stage in STAGES} for mode in modes}
    equal: dict[str, bool] = {}
    faults: set[str] = set()
    for number in range(rounds):
        turn = number % len(modes)
        for stage in STAGES:
            results = {}
            for mode in [*modes[turn:], *modes[:turn]]:
                spent, results[mode] = timed(stages[mode][stage], given[stage], device)
                taken[mode][stage].append(spent)
                if stage == "semantic" and results[mode].shape[1] < n_tokens:
                    faults.add(f"{mode} ended after {results[mode].shape[1]} of {n_tokens} tokens")
            if stage != "codec" and {EXACT, TRANSFORMERS} <= results.keys():
                same = torch.equal(results[EXACT].cpu(), results[TRANSFORMERS].cpu())
                equal[stage] = equal.get(stage, True) and same
        totals = (f"{mode} {sum(taken[mode][stage][-1] for stage in STAGES):.1f} s" for mode in modes)
        say(f"round {number + 1}: {', '.join(totals)}")
    return Measured(size, device, batch, n_tokens, taken, described, equal, sorted(faults))


def timed(stage: Callable[[Any], torch.Tensor], given: Any, device: str) -> tuple[float, torch.Tensor]:
    """Seconds and result of one stage."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    wait()
    started = time.perf_counter()
    with torch.no_grad():
        result = stage(given)
    wait()
    return time.perf_counter() - started, result
