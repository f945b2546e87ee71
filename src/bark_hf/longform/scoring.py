"""Which of several takes is the best. Knows tokens, seconds and expectations; knows no model and no file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..generation.repetition import measure_tokens
from .sizing import expected_seconds
from .takes import Take


class Score(NamedTuple):
    """How good a take is.

    Attributes:
        value: higher is better; 0 has no fault.
        faults: what is wrong, in words.
    """

    value: float
    faults: tuple[str, ...] = ()


class Scorer(Protocol):
    """What judges takes; `bark_hf.evaluation.listening.WordErrorScorer` listens to them."""

    @property
    def name(self) -> str:
        """Says in a kept run which scorer chose, with its settings."""

    def score(self, take: Take, language: str) -> Score:
        """Judge one take of a text in a language (code); must not depend on the others."""


@dataclass(frozen=True)
class PlainScorer:
    """Judges without listening: an end by EOS, no loops, a plausible length.

    A fault costs 1; 0.1 is taken off per factor of two between the sound's seconds and those that the text should
    take, so that among faultless takes the one of the most plausible length wins.

    Attributes:
        loop: share of semantic tokens in phrases repeated at least three times in a row, see `loop_share`.
        run_s: seconds of one repeated token.
        shortest, longest: seconds of sound per expected second.
        pauses_s: seconds that are always allowed beyond `longest`, for short texts.
    """

    loop: float = 0.2
    run_s: float = 1.0
    shortest: float = 0.4
    longest: float = 1.8
    pauses_s: float = 1.0

    @property
    def name(self) -> str:
        """With its settings."""
        return repr(self)

    def score(self, take: Take, language: str) -> Score:
        """See `Scorer`."""
        if not take.audio.size:
            return Score(-10.0, ("no sound",))
        expected = expected_seconds(take.text, language)
        measures = measure_tokens(take.semantic)
        found = {
            "no end": take.hit_limit,
            "loop": measures.loop > self.loop,
            "run": measures.longest_run > self.run_s * take.rules.semantic_rate_hz,
            "too short": take.seconds < self.shortest * expected,
            "too long": take.seconds > self.pauses_s + self.longest * expected,
        }
        faults = tuple(name for name, is_found in found.items() if is_found)
        off = abs(math.log2(take.seconds / expected)) if expected else 0.0
        return Score(-len(faults) - 0.1 * off, faults)


def best(takes: Sequence[Take], scorer: Scorer, language: str) -> tuple[int, Score]:
    """The place of the best take (of equal ones the first) and its score. A take without sound is never better."""
    scores = [scorer.score(take, language) for take in takes]
    order = [
        (take.audio.size > 0, score.value, -place)
        for place, (take, score) in enumerate(zip(takes, scores, strict=True))
    ]
    place = -max(order)[2]
    return place, scores[place]


__all__ = ["PlainScorer", "Score", "Scorer", "best"]
