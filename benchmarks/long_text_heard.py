"""What a recogniser hears in the pieces of a long text, and whose voice they have from the first to the last."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bark_hf.evaluation.error_rates import Edits, character_error_rate, count_edits, word_error_rate
from bark_hf.evaluation.recognisers import Recogniser
from bark_hf.evaluation.speakers import SpeakerEncoder
from bark_hf.longform import Segment


def heard(segments: Sequence[Segment], recogniser: Recogniser) -> dict[str, Any]:
    """Word error rate of the whole and of its first and last quarter, and what was heard in each piece."""
    rows, edits = [], []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "piece.wav")
        for segment in segments:
            words = ""
            if segment.audio.size:
                segment.save(path)
                words = recogniser.transcribe(path).strip()
            edits.append(count_edits(segment.text, words))
            rows.append({"text": segment.text, "heard": words, "wer": edits[-1].word_errors / edits[-1].words})
    quarter = max(1, len(edits) // 4)
    return {
        "recogniser": recogniser.name,
        "wer": word_error_rate(edits)._asdict(),
        "cer": character_error_rate(edits)._asdict(),
        "wer_first_quarter": _rate(edits[:quarter]),
        "wer_last_quarter": _rate(edits[-quarter:]),
        "pieces": rows,
    }


def _rate(edits: Sequence[Edits]) -> float:
    return sum(item.word_errors for item in edits) / sum(item.words for item in edits)


def likeness(segments: Sequence[Segment], encoder: SpeakerEncoder, voice: np.ndarray) -> dict[str, Any]:
    """Cosines between speaker embeddings: the first piece to the last, every piece to the voice.

    Args:
        segments: of a whole text.
        encoder: what embeds.
        voice: the voice's own sound, float32 [samples], at the segments' rate.
    """
    rate = segments[0].sampling_rate
    own = encoder.embed(voice, rate)
    assert own is not None, "the voice has no speech"
    vectors = [encoder.embed(segment.audio, rate) for segment in segments]
    known = [vector for vector in vectors if vector is not None]
    to_voice = [None if vector is None else float(np.dot(vector, own)) for vector in vectors]
    values = [value for value in to_voice if value is not None]
    quarter = max(1, len(values) // 4)
    return {
        "first_to_last": float(np.dot(known[0], known[-1])),
        "first_to_voice": values[0],
        "last_to_voice": values[-1],
        "first_quarter_to_voice": statistics.median(values[:quarter]),
        "last_quarter_to_voice": statistics.median(values[-quarter:]),
        "least_to_voice": min(values),
        "pieces_without_speech": len(vectors) - len(known),
        "to_voice": to_voice,
    }


def plot_likeness(by_mode: dict[str, dict[str, Any]], path: Path) -> None:
    """Likeness of every piece to the voice, a line per voice mode."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained", dpi=100)
    axes = figure.subplots()
    for (mode, found), colour in zip(by_mode.items(), ("#3b6ea5", "#e08e45", "#5a9a5a"), strict=False):
        label = f"{mode}: first to last piece {found['first_to_last']:.2f}"
        values = [np.nan if value is None else value for value in found["to_voice"]]
        axes.plot(range(1, len(values) + 1), values, ".-", color=colour, linewidth=1, label=label)
    axes.set(xlabel="piece", ylabel="likeness to the voice (cosine)", ylim=(0, 1.02))
    axes.legend(loc="lower left", frameon=False)
    figure.savefig(path)


__all__ = ["heard", "likeness", "plot_likeness"]
