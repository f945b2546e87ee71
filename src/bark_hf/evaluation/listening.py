"""A scorer that listens: the words that a recogniser hears in a take against those that it should say.

Knows recognisers and error rates; knows takes, but not how they are made or chosen.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ..audio import clip, encode, write_file
from ..longform import PlainScorer, Score, Scorer, Take
from .error_rates import count_edits, normalise

ALWAYS_RIGHT = 0.25  # recognisers err too; up to this rate it is no fault
BY_CHARACTERS = ("ja", "zh")  # written without spaces


class WordErrorScorer:
    """Adds a take's word error rate (in Japanese and Chinese: character error rate) to what another scorer says.

    Args:
        recogniser: a `Recogniser` (see `load_recogniser`), or a Transformers pipeline "automatic-speech-recognition".
        base: judges everything else.
        weight: taken off per error rate of 1; a fault of `PlainScorer` costs 1.

    Raises:
        TypeError: for something that can't listen.
    """

    def __init__(self, recogniser: Any, base: Scorer | None = None, weight: float = 3.0):
        if not hasattr(recogniser, "transcribe") and not callable(recogniser):
            raise TypeError(
                f"recogniser is a {type(recogniser).__name__}; it must have transcribe(path) or be a pipeline."
            )
        self.recogniser, self.base, self.weight = recogniser, base or PlainScorer(), weight

    @property
    def name(self) -> str:
        """With the recogniser's name and the settings."""
        model = getattr(getattr(self.recogniser, "model", None), "name_or_path", type(self.recogniser).__name__)
        return f"WordErrorScorer({getattr(self.recogniser, 'name', model)}, {self.base.name}, weight={self.weight:g})"

    def score(self, take: Take, language: str) -> Score:
        """See `bark_hf.longform.Scorer`; a text without words is judged by `base` alone."""
        score = self.base.score(take, language)
        if not take.audio.size or not normalise(take.text):
            return score
        edits = count_edits(take.text, self._heard(take))
        by_characters = language in BY_CHARACTERS
        wrong, total = (edits.character_errors, edits.characters) if by_characters else (edits.word_errors, edits.words)
        rate = wrong / total
        heard = (f"{'CER' if by_characters else 'WER'} {rate:.2f}",) if rate > ALWAYS_RIGHT else ()
        return Score(score.value - self.weight * min(rate, 1.0), (*score.faults, *heard))

    def _heard(self, take: Take) -> str:
        if not hasattr(self.recogniser, "transcribe"):
            return self.recogniser({"raw": take.audio, "sampling_rate": take.sampling_rate})["text"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "take.wav")
            write_file(path, encode(clip(take.audio)[0], take.sampling_rate))
            return self.recogniser.transcribe(path)


__all__ = ["WordErrorScorer"]
