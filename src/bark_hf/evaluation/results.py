"""What an evaluation found: per item, per group, and as a whole; as JSON. Knows no file, model or package."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .clips import Clip
from .error_rates import Edits, Rate, character_error_rate, word_error_rate
from .speakers import Similarities

ALL_VOICES = "all"


@dataclass
class Judged:
    """One clip and what was found about it.

    Attributes:
        clip: the clip.
        characters: of its normalised text.
        heard: what the recogniser wrote, None without one; "" for a clip without sound.
        edits: against the clip's text, None without a recogniser.
        similarity: cosine to the clip's own speaker, -1..1; None if there is no such reference, or no speech.
        silence, clipped: see `SoundMeasures`.
        longest_run, loop: see `TokenMeasures`; None for sounds without tokens.
        anomalies: see `find_anomalies`.
    """

    clip: Clip
    characters: int
    heard: str | None = None
    edits: Edits | None = None
    similarity: float | None = None
    silence: float = 0.0
    clipped: float = 0.0
    longest_run: int | None = None
    loop: float | None = None
    anomalies: list[str] = field(default_factory=list)

    @property
    def word_error_rate(self) -> float | None:
        """Of this item alone; None without a recogniser."""
        return None if self.edits is None else self.edits.word_errors / self.edits.words

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        clip, edits = self.clip, self.edits
        return {
            "id": clip.id,
            "stage": clip.stage,
            "voice": clip.voice,
            "text": clip.text,
            "heard": self.heard,
            "wer": _rounded(self.word_error_rate),
            "cer": None if edits is None else _rounded(edits.character_errors / edits.characters),
            "word_errors": None if edits is None else edits.word_errors,
            "words": None if edits is None else edits.words,
            "similarity": _rounded(self.similarity),
            "seconds": _rounded(clip.seconds),
            "seconds_per_character": _rounded(clip.seconds / self.characters),
            "silence": _rounded(self.silence),
            "clipped": _rounded(self.clipped, 6),
            "longest_run": self.longest_run,
            "loop": _rounded(self.loop),
            "anomalies": self.anomalies,
            "seed": clip.seed,
            "tokens": clip.tokens,
            "wav": None if clip.wav is None else str(clip.wav),
        }


@dataclass(frozen=True)
class Group:
    """All clips of one stage and voice.

    Attributes:
        stage: see `Clip.stage`.
        voice: see `Clip.voice`, or "all".
        n: clips.
        seconds: of sound in all.
        wer, cer: with intervals; None without a recogniser.
        similarity: mean over the clips that have one, or None.
        anomalies: name -> clips that have it.
    """

    stage: str
    voice: str
    n: int
    seconds: float
    wer: Rate | None
    cer: Rate | None
    similarity: float | None
    anomalies: dict[str, int]

    @classmethod
    def of(cls, stage: str, voice: str, items: Sequence[Judged]) -> Group:
        """Sum up at least one item."""
        edits = [item.edits for item in items if item.edits is not None]
        similarities = [item.similarity for item in items if item.similarity is not None]
        return cls(
            stage=stage,
            voice=voice,
            n=len(items),
            seconds=sum(item.clip.seconds for item in items),
            wer=word_error_rate(edits) if edits else None,
            cer=character_error_rate(edits) if edits else None,
            similarity=sum(similarities) / len(similarities) if similarities else None,
            anomalies=dict(Counter(name for item in items for name in item.anomalies)),
        )

    @property
    def label(self) -> str:
        """For tables and plots."""
        return self.stage if self.voice == ALL_VOICES else f"{self.stage}: {self.voice}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        rates = {"wer": self.wer, "cer": self.cer}
        return {
            "stage": self.stage,
            "voice": self.voice,
            "n": self.n,
            "seconds": _rounded(self.seconds),
            **{name: None if rate is None else _rounded(rate.value) for name, rate in rates.items()},
            **{f"{name}_95": None if r is None else [_rounded(r.low), _rounded(r.high)] for name, r in rates.items()},
            "similarity": _rounded(self.similarity),
            "anomalies": self.anomalies,
        }


@dataclass(frozen=True)
class Speed:
    """What generating took.

    Attributes:
        stage_seconds: stage -> seconds.
        tokens: stage -> tokens.
        sound_seconds: of all clips.
    """

    stage_seconds: dict[str, float]
    tokens: dict[str, int]
    sound_seconds: float

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of generation per second of sound; None without sound."""
        return sum(self.stage_seconds.values()) / self.sound_seconds if self.sound_seconds else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "real_time_factor": _rounded(self.real_time_factor),
            "generation_seconds": _rounded(sum(self.stage_seconds.values())),
            "sound_seconds": _rounded(self.sound_seconds),
            "stage_seconds": {name: _rounded(value) for name, value in self.stage_seconds.items()},
            "tokens": self.tokens,
        }


@dataclass
class Results:
    """An evaluation.

    Attributes:
        items: in the order of the clips.
        similarities: the matrix, or None without a speaker encoder.
        speed: of generation, or None where nothing was timed.
        losses: stage -> losses, see `bark_hf.evaluation.losses`; None if they were not asked for.
        settings, versions: what it was made with.
    """

    items: list[Judged]
    similarities: Similarities | None = None
    speed: Speed | None = None
    losses: dict[str, dict[str, float]] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> list[Group]:
        """Per stage, all voices together and, where there are several, each voice."""
        found: list[Group] = []
        for stage in dict.fromkeys(item.clip.stage for item in self.items):
            items = [item for item in self.items if item.clip.stage == stage]
            voices = list(dict.fromkeys(item.clip.voice for item in items))
            found.append(Group.of(stage, ALL_VOICES if len(voices) > 1 else voices[0], items))
            if len(voices) > 1:
                found += [Group.of(stage, voice, [i for i in items if i.clip.voice == voice]) for voice in voices]
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what has no value is null."""
        similarities = self.similarities
        return {
            "settings": self.settings,
            "versions": self.versions,
            "groups": [group.to_dict() for group in self.groups],
            "similarity": None
            if similarities is None
            else similarities._asdict()
            | {
                "values": [[_rounded(value) for value in row] for row in similarities.values],
                "references": [[_rounded(value) for value in row] for row in similarities.references],
            },
            "speed": None if self.speed is None else self.speed.to_dict(),
            "losses": self.losses,
            "items": [item.to_dict() for item in self.items],
        }


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None or math.isnan(value) else round(float(value), digits)
