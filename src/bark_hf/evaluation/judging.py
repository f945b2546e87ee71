"""Clips -> results: listen, compare, look for anomalies. Knows sound files; must not know how they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .anomalies import Limits, SoundMeasures, find_anomalies, measure_sound, measure_tokens
from .clips import Clip, speaker_of
from .error_rates import count_edits, normalise
from .recognisers import Recogniser
from .results import Judged, Results
from .sounds import read_sound
from .speakers import Embedded, SpeakerEncoder, cosine, similarity

Report = Callable[[str, int, int], None]  # called as report(what, done, total)


def judge(
    clips: Sequence[Clip],
    *,
    recogniser: Recogniser | None = None,
    encoder: SpeakerEncoder | None = None,
    references: Mapping[str, Sequence[Clip]] | None = None,
    semantic_rate_hz: float = 0.0,
    limits: Limits | None = None,
    report: Report | None = None,
) -> Results:
    """Everything that can be said about clips.

    Args:
        clips: at least one.
        recogniser: None leaves the error rates out.
        encoder: None leaves the speaker similarity out; so does a lack of references.
        references: speaker -> clips of that speaker; one without speech in them has no similarities.
        semantic_rate_hz: semantic tokens per second, for clips that have tokens.
        limits: of the anomalies.
        report: called with ("listen", clips so far, clips in all).

    Raises:
        ValueError: for no clips, an unreadable sound or a text without words.
        ImportError: for a missing package, naming the extra to install.
    """
    if not clips:
        raise ValueError("there are no clips; an evaluation needs at least one; give texts or recordings")
    compare = encoder is not None and bool(references)
    speakers = _embed_references(encoder, references) if encoder is not None and references else {}
    groups: dict[str, list[Embedded]] = {}
    several_stages = len({clip.stage for clip in clips}) > 1
    items = []
    for number, clip in enumerate(clips, start=1):
        audio, rate = (np.zeros(0, np.float32), 1) if clip.wav is None else read_sound(clip.wav)
        clip.seconds = audio.size / rate
        item = _measured(clip, measure_sound(audio, rate), semantic_rate_hz, limits)
        if recogniser is not None:
            item.heard = "" if clip.wav is None else recogniser.transcribe(clip.wav).strip()
            item.edits = count_edits(clip.text, item.heard)
        if compare and encoder is not None:
            members = groups.setdefault(f"{clip.stage}: {clip.voice}" if several_stages else clip.voice, [])
            vector = encoder.embed(audio, rate)
            if vector is not None:
                members.append(Embedded(vector, _source(clip)))
                item.similarity = _own_similarity(members[-1], clip.voice, speakers)
        items.append(item)
        if report is not None:
            report("listen", number, len(clips))
    results = Results(items)
    if compare and encoder is not None:
        results.similarities = similarity(encoder.name, groups, speakers)
    return results


def _measured(clip: Clip, sound: SoundMeasures, semantic_rate_hz: float, limits: Limits | None) -> Judged:
    tokens = None if clip.semantic is None else measure_tokens(np.array(clip.semantic, dtype=np.int64))
    characters = len(normalise(clip.text))
    return Judged(
        clip,
        characters,
        silence=sound.silence,
        clipped=sound.clipped,
        longest_run=None if tokens is None else tokens.longest_run,
        loop=None if tokens is None else tokens.loop,
        anomalies=find_anomalies(clip.seconds, characters, sound, tokens, semantic_rate_hz, clip.hit_limit, limits),
    )


def _embed_references(encoder: SpeakerEncoder, references: Mapping[str, Sequence[Clip]]) -> dict[str, list[Embedded]]:
    speakers: dict[str, list[Embedded]] = {}
    for speaker, clips in references.items():
        vectors = [(encoder.embed(*read_sound(clip.wav)), clip) for clip in clips if clip.wav is not None]
        speakers[speaker] = [Embedded(vector, _source(clip)) for vector, clip in vectors if vector is not None]
    return speakers


def _own_similarity(clip: Embedded, voice: str, speakers: Mapping[str, Sequence[Embedded]]) -> float | None:
    own = speaker_of(voice, speakers)
    value = float("nan") if own is None else cosine(clip, speakers[own])
    return None if np.isnan(value) else value


def _source(clip: Clip) -> str:
    return str(Path(clip.wav).resolve()) if clip.wav is not None else ""
