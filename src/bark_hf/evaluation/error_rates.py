"""Word and character error rates with intervals. Knows text alone.

The rates are those of the package jiwer: edits of a whole set over its reference length, so that a long sentence
weighs more than a short one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .packages import needed

RESAMPLES = 2_000


class Edits(NamedTuple):
    """What one item got wrong; sums of these give the rates of a set.

    Attributes:
        word_errors, words: substitutions + deletions + insertions, and words of the reference.
        character_errors, characters: the same by character; a space counts as one.
    """

    word_errors: int
    words: int
    character_errors: int
    characters: int


class Rate(NamedTuple):
    """A rate with its 95 % bootstrap interval; may exceed 1 where much was inserted."""

    value: float
    low: float
    high: float


def normalise(text: str) -> str:
    """Bark's [tags] away, lower case, letters and digits only, single spaces; apostrophes join what they part."""
    text = re.sub(r"\[[^\]]*\]", " ", text.lower()).replace("'", "")
    return " ".join(re.sub(r"[^\w\s]", " ", text).split())


def count_edits(reference: str, hypothesis: str) -> Edits:
    """Edits between two texts, both normalised here.

    Raises:
        ValueError: for a reference without words: an error rate over nothing has no value.
        ImportError: without jiwer.
    """
    said, heard = normalise(reference), normalise(hypothesis)
    if not said:
        raise ValueError(f"the text {reference!r} has no words; error rates need at least one; leave it out")
    jiwer = needed("jiwer", "an error rate")
    words, characters = jiwer.process_words(said, heard), jiwer.process_characters(said, heard)
    return Edits(
        words.substitutions + words.deletions + words.insertions,
        words.hits + words.substitutions + words.deletions,
        characters.substitutions + characters.deletions + characters.insertions,
        characters.hits + characters.substitutions + characters.deletions,
    )


def word_error_rate(edits: Sequence[Edits], seed: int = 0) -> Rate:
    """Of a set, with its interval; see `bootstrap_rate`."""
    return bootstrap_rate([item.word_errors for item in edits], [item.words for item in edits], seed)


def character_error_rate(edits: Sequence[Edits], seed: int = 0) -> Rate:
    """Of a set, with its interval; see `bootstrap_rate`."""
    return bootstrap_rate([item.character_errors for item in edits], [item.characters for item in edits], seed)


def bootstrap_rate(errors: Sequence[int], totals: Sequence[int], seed: int = 0) -> Rate:
    """Sum of errors over sum of totals, and the middle 95 % of that over sets drawn with replacement.

    Items are the unit that is drawn: words within a sentence fail together (Bisani and Ney, 2004, "Bootstrap estimates
    for confidence intervals in ASR performance evaluation").

    Args:
        errors, totals: per item; totals are at least 1.
        seed: the same items and seed give the same interval.
    """
    e, t = np.asarray(errors, dtype=np.int64), np.asarray(totals, dtype=np.int64)
    if not e.size:
        raise ValueError("no items were given; a rate needs at least one; give some")
    picks = np.random.default_rng(seed).integers(0, e.size, (RESAMPLES, e.size))
    low, high = np.quantile(e[picks].sum(axis=1) / t[picks].sum(axis=1), (0.025, 0.975))
    return Rate(float(e.sum() / t.sum()), float(low), float(high))
