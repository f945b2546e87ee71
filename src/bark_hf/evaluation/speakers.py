"""Who is speaking: embeddings of clips, and how near voices are to each other. Knows sounds; knows no text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from .packages import needed
from .sounds import at_rate

LEAST_SECONDS = 0.3  # less can't be told from any other speaker


class SpeakerEncoder(Protocol):
    """What makes one vector of a clip.

    Attributes:
        name: for the settings of a result.
    """

    name: str

    def embed(self, audio: np.ndarray, rate: int) -> np.ndarray | None:
        """float32 [samples] at `rate` Hz -> float [D] of length 1; None where there is no speech."""


class ResemblyzerEncoder:
    """Resemblyzer's bundled GE2E encoder (256 dimensions, 16 kHz), on the CPU; works offline.

    Source: Wan et al., "Generalized end-to-end loss for speaker verification", 2018.

    Raises:
        ImportError: without the package resemblyzer.
    """

    name = "resemblyzer"

    def __init__(self) -> None:
        self._package = needed("resemblyzer", "speaker similarity")
        self._encoder = self._package.VoiceEncoder("cpu", verbose=False)

    def embed(self, audio: np.ndarray, rate: int) -> np.ndarray | None:
        """See `SpeakerEncoder`; volume is levelled and silence cut by Resemblyzer itself."""
        sampling_rate = self._package.hparams.sampling_rate
        audio = at_rate(audio, rate, sampling_rate)
        least = LEAST_SECONDS * sampling_rate
        if audio.size < least or not np.any(audio):
            return None
        speech = self._package.preprocess_wav(audio)
        return self._encoder.embed_utterance(speech) if speech.size >= least else None


class Embedded(NamedTuple):
    """One clip as a vector.

    Attributes:
        vector: float [D] of length 1.
        source: tells a clip from others, so that it is not compared with itself.
    """

    vector: np.ndarray
    source: str


class Similarities(NamedTuple):
    """Cosines between groups of clips and reference speakers.

    Attributes:
        encoder: name of the speaker encoder.
        rows: groups.
        columns: reference speakers.
        values: mean cosine of a group's clips to a speaker, [rows][columns]; NaN where nothing could be compared.
        references: cosine between two reference speakers, [columns][columns].
    """

    encoder: str
    rows: list[str]
    columns: list[str]
    values: list[list[float]]
    references: list[list[float]]


def similarity(
    encoder: str, groups: Mapping[str, Sequence[Embedded]], references: Mapping[str, Sequence[Embedded]]
) -> Similarities:
    """Every group against every reference speaker.

    A speaker is the mean vector of its clips, without the clip that is compared if that is one of them: so recordings
    can be held against their own set.
    """
    values = [
        [_mean([cosine(clip, reference) for clip in clips]) for reference in references.values()]
        for clips in groups.values()
    ]
    centres = [_centre(list(clips)) for clips in references.values()]
    between = [[float(np.dot(a, b)) if a is not None and b is not None else np.nan for b in centres] for a in centres]
    return Similarities(encoder, list(groups), list(references), values, between)


def cosine(clip: Embedded, reference: Sequence[Embedded]) -> float:
    """Of one clip to one speaker, -1..1; NaN if no other clip of the speaker is left."""
    centre = _centre([other for other in reference if other.source != clip.source])
    return float("nan") if centre is None else float(np.dot(clip.vector, centre))


def _centre(clips: Sequence[Embedded]) -> np.ndarray | None:
    if not clips:
        return None
    mean = np.mean([clip.vector for clip in clips], axis=0)
    return mean / np.linalg.norm(mean)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
