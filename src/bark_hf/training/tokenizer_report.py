"""How good a tokenizer is: agreement with labels, purity, and what its tokens give away about the speaker.

Knows tokens and labels; must not know networks or training.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..semantic_tokenizer import SemanticTokenizer
from .tokenizer_clips import NO_LABEL, LabelledClip, clip_waveform, frame_labels


def purity(tokens: Sequence[int], labels: Sequence[int]) -> float:
    """Share of frames whose label is the commonest one of their token: 1 if a token says the label."""
    tables: dict[int, Counter[int]] = defaultdict(Counter)
    for token, label in zip(tokens, labels, strict=True):
        tables[token][label] += 1
    return sum(max(table.values()) for table in tables.values()) / len(tokens)


def mutual_information(first: Sequence[Any], second: Sequence[Any]) -> float:
    """Bits that one sequence tells about the other, from their joint counts.

    Few frames per pair make it too high, by about (values - 1)(values - 1) / (2 n ln 2).
    """
    n = len(first)
    joint, left, right = Counter(zip(first, second, strict=True)), Counter(first), Counter(second)
    bits = sum(count / n * math.log2(count * n / (left[a] * right[b])) for (a, b), count in joint.items())
    return max(0.0, bits)


def measure_tokenizer(
    tokenizer: SemanticTokenizer,
    clips: Sequence[LabelledClip],
    *,
    label_rate: float | None = None,
    labels_per_phone: int = 1,
    tokens_are_labels: bool = True,
) -> dict[str, Any]:
    """Tokenize clips as `encode` does and compare.

    Args:
        tokenizer: any kind.
        clips: with labels, or all without.
        label_rate: of the labels in Hz; None: the tokenizer's.
        labels_per_phone: labels that are states of one phone.
        tokens_are_labels: whether token k is meant to be label k; else there is no accuracy.

    Returns:
        clips, frames, tokens_used, speaker_information_bits; with labels also frame_accuracy, phone_accuracy (both if
        `tokens_are_labels`) and phone_purity; the accuracies also for each speaker.
    """
    tokens: list[int] = []
    labels: list[int] = []
    speakers: list[str] = []
    for clip in clips:
        waveform = clip_waveform(clip, tokenizer.config.sampling_rate)
        own = tokenizer.encode(waveform, tokenizer.config.sampling_rate).numpy()
        tokens += own.tolist()
        speakers += [clip.speaker] * len(own)
        if clip.labels is not None:
            rates = label_rate or tokenizer.rate_hz, tokenizer.frame_rate_hz
            labels += frame_labels(clip.labels, rates[0], len(own), rates[1], str(clip.path)).tolist()
    report: dict[str, Any] = {
        "clips": len(clips),
        "frames": len(tokens),
        "tokens_used": len(set(tokens)),
        "speaker_information_bits": mutual_information(tokens, speakers) if tokens else 0.0,
    }
    if len(labels) == len(tokens) and tokens:
        arrays = np.array(tokens), np.array(labels), np.array(speakers)
        report |= _against_labels(*arrays, labels_per_phone, tokens_are_labels)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in report.items()}


def _against_labels(
    tokens: np.ndarray, labels: np.ndarray, speakers: np.ndarray, per_phone: int, tokens_are_labels: bool
) -> dict[str, Any]:
    known = labels != NO_LABEL
    tokens, labels, speakers = tokens[known], labels[known], speakers[known]
    result: dict[str, Any] = {"phone_purity": purity(tokens.tolist(), (labels // per_phone).tolist())}
    if not tokens_are_labels:
        return result
    states, phones = tokens == labels, tokens // per_phone == labels // per_phone
    result |= {"frame_accuracy": float(states.mean()), "phone_accuracy": float(phones.mean())}
    result["speakers"] = {
        str(name): {
            "frame_accuracy": round(float(states[speakers == name].mean()), 4),
            "phone_accuracy": round(float(phones[speakers == name].mean()), 4),
        }
        for name in np.unique(speakers)
    }
    return result


__all__ = ["measure_tokenizer", "mutual_information", "purity"]
