"""What goes through a preparation: a clip as its source has it, a clip that is ready, a clip that was refused.

Knows no files and no codecs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple


class SourceClip(NamedTuple):
    """One clip as a source has it; nothing of it has been checked.

    Attributes:
        id: unique in its source.
        text: what is said, or None.
        speaker, language: or None where the source does not say.
        name: what a report calls the sound: a path.
        sound: where the sound file is, its content, or None where there is none.
        semantic: [S], semantic tokens that the source has already, in whatever form, or None.
    """

    id: str
    text: str | None
    speaker: str | None
    language: str | None
    name: str
    sound: Path | bytes | None
    semantic: Any


@dataclass(frozen=True)
class Refusal:
    """Why a clip was left out.

    Attributes:
        id, file: which clip.
        reason: one of `REASONS`.
        value: what was found. limit: what is allowed.
    """

    id: str
    file: str
    reason: str
    value: str
    limit: str

    def to_dict(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


class ClipError(Exception):
    """A clip can't be used: reason, what was found, what is allowed."""

    def __init__(self, reason: str, value: object, limit: object) -> None:
        assert reason in REASONS, reason
        super().__init__(reason, str(value), str(limit))


# Reason -> what it means, as the report's table says it.
REASONS = {
    "missing_file": "the sound file is not there",
    "unreadable": "the sound can't be read",
    "duplicate_id": "another clip has the same id",
    "no_text": "no text",
    "broken_text": "the text is no valid Unicode",
    "long_text": "more text tokens than Bark reads",
    "too_short": "too short",
    "too_long": "too long",
    "silent": "silent",
    "clipped": "cut off at full scale",
    "not_finite": "samples that are no numbers",
    "low_rate": "sampling rate too low",
    "fast_speech": "too much text for the length",
    "slow_speech": "too little text for the length",
    "no_semantic": "no semantic tokens, and no tokenizer to make them",
    "semantic_length": "semantic tokens don't fit the length",
    "semantic_range": "semantic tokens that are no ids of the vocabulary",
}

# Note -> what it means: these clips are used.
NOTES = {
    "mixed_to_mono": "several channels, mixed to one",
    "resampled": "resampled to the codec's rate",
    "narrow_band": "sampling rate below 16,000 Hz: dull sound",
    "quieter_than_asked": "level kept lower by the peak limit",
}

__all__ = ["NOTES", "REASONS", "ClipError", "Refusal", "SourceClip"]
