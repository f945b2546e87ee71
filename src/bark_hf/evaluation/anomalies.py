"""What is wrong with a clip without listening to it: loops, lengths, silence, clipping.

Knows tokens, samples and seconds; knows no words and no voice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..generation.repetition import TokenMeasures, loop_share, measure_tokens

FRAME_SECONDS = 0.02


@dataclass(frozen=True)
class Limits:
    """When something counts as an anomaly.

    Attributes:
        shortest, longest: seconds per character of the text; English read aloud has 0.06 to 0.08.
        pauses: seconds that are always allowed beyond `longest`, for short texts.
        run: seconds of one repeated semantic token.
        loop: share of semantic tokens in phrases that come three times in a row.
        silence: share of silent frames.
        clipped: share of samples at full scale.
    """

    shortest: float = 0.03
    longest: float = 0.12
    pauses: float = 1.0
    run: float = 1.0
    loop: float = 0.2
    silence: float = 0.6
    clipped: float = 0.001


class SoundMeasures(NamedTuple):
    """Of samples.

    Attributes:
        silence: share of 20 ms frames 40 dB below the loudest one, or below -60 dB of full scale; 1.0 without samples.
        clipped: share of samples at 0.999 of full scale or beyond.
    """

    silence: float
    clipped: float


def measure_sound(audio: np.ndarray, rate: int) -> SoundMeasures:
    """Silence and clipping of float [samples] at `rate` Hz."""
    if not audio.size:
        return SoundMeasures(1.0, 0.0)
    frame = max(1, round(FRAME_SECONDS * rate))
    n_frames = max(1, audio.size // frame)
    frames = audio[: n_frames * frame].astype(np.float64).reshape(n_frames, -1)
    level = np.sqrt((frames**2).mean(axis=1))
    silent = level < max(level.max() * 10 ** (-40 / 20), 10 ** (-60 / 20))
    return SoundMeasures(float(silent.mean()), float((np.abs(audio) >= 0.999).mean()))


def find_anomalies(
    seconds: float,
    characters: int,
    sound: SoundMeasures,
    tokens: TokenMeasures | None = None,
    semantic_rate_hz: float = 0.0,
    hit_limit: bool = False,
    limits: Limits | None = None,
) -> list[str]:
    """Names of what is out of its limits, in a fixed order; an empty clip has only "empty".

    Args:
        seconds: of sound.
        characters: of the normalised text.
        sound: see `measure_sound`.
        tokens: see `measure_tokens`; None for sounds without tokens.
        semantic_rate_hz: tokens per second.
        hit_limit: whether the semantic stage ended at its token limit, without EOS.
        limits: default `Limits()`.
    """
    limits = limits or Limits()
    if not seconds:
        return ["empty"]
    found = {
        "no end": hit_limit,
        "too short": seconds < limits.shortest * characters,
        "too long": seconds > limits.pauses + limits.longest * characters,
        "run": tokens is not None and tokens.longest_run > limits.run * semantic_rate_hz,
        "loop": tokens is not None and tokens.loop > limits.loop,
        "silent": sound.silence > limits.silence,
        "clipped": sound.clipped > limits.clipped,
    }
    return [name for name, is_found in found.items() if is_found]


__all__ = [
    "FRAME_SECONDS",
    "Limits",
    "SoundMeasures",
    "TokenMeasures",
    "find_anomalies",
    "loop_share",
    "measure_sound",
    "measure_tokens",
]
