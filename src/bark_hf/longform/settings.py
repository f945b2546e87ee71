"""What pieces depend on, as values that can be written down and compared: two runs that agree on it may share pieces.

Knows voices, a model's identity and options; knows no file. How pieces are joined is not part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..voices import VoicePrompt
from .splitting import Piece

_MEANING = {
    "model": "another model (or dtype, or quantisation)",
    "voice_mode": "voice_mode={old}, now {new}",
    "anchor_every": "anchor_every={old}, now {new}",
    "seed": "seed={old}, now {new}",
    "candidates": "candidates={old}, now {new}",
    "scorer": "the scorer {old}, now {new}",
    "trim": "trim={old}, now {new}",
    "options": "the generation options {old}, now {new}",
}


def digest(*parts: bytes) -> str:
    """A short hash of bytes."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()[:16]


def voice_digest(voice: VoicePrompt | None) -> str | None:
    """Says whether two voices are equal."""
    return None if voice is None else digest(*(np.ascontiguousarray(a).tobytes() for a in voice.to_dict().values()))


def model_digest(model: Any) -> str:
    """Says whether two models are the same, by their configs and some weights of each tensor."""
    parts = [json.dumps(model.config.to_dict(), sort_keys=True, default=str).encode()]
    for name, tensor in model.state_dict().items():
        some = tensor.detach().reshape(-1)[:: max(1, tensor.numel() // 16)]
        parts += [name.encode(), some.to("cpu", torch.float32).numpy().tobytes()]
    return digest(*parts)


def check_model_digest(folder: Any, known: str, model: Any) -> None:
    """Refuse a model that did not make the run in a folder."""
    if model_digest(model) != known:
        raise ValueError(f"the run in {folder} was made by another model (or dtype, or quantisation); give that one")


def written_options(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of `generate` as JSON holds them.

    Raises:
        ValueError: for one that can't be written down.
    """
    for name, value in keywords.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} is a {type(value).__name__}, which can't be written down, so a run with it can't be kept in a "
                "folder; leave folder or this option out"
            ) from None
    return json.loads(json.dumps(dict(keywords)))


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], old_pieces: Sequence[Piece], new_pieces: Sequence[Piece]
) -> list[str]:
    """In words what of two runs differs; pieces are compared by text and speaker."""
    found = []
    before, now = ([(piece.text, piece.speaker) for piece in pieces] for pieces in (old_pieces, new_pieces))
    if before != now:
        at = next((i for i, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now)))
        said = repr(before[at][0][:40]) if at < len(before) else "nothing"
        found.append(f"another text or piece size (its piece {at} is {said})")
    for speaker in sorted({*old["voices"], *new["voices"]}):
        if old["voices"].get(speaker) != new["voices"].get(speaker):
            found.append(f"another voice{f' of {speaker}' if speaker else ''}")
    for name, words in _MEANING.items():
        if old[name] != new[name]:
            found.append(words.format(old=old[name], new=new[name]))
    return found


__all__ = ["check_model_digest", "differences", "digest", "model_digest", "voice_digest", "written_options"]
