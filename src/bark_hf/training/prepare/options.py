"""What can be chosen when speech is prepared: which columns are read, which clips are taken, what is done to them.

Knows the values and their limits. Must not know how any of it is done.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceOptions:
    """How a source is read.

    Attributes:
        text_column: column with what is said; None finds it (text, transcription, sentence, ...).
        audio_column: column with the sound or its file name; None finds it (audio, file_name, ...).
        speaker_column: column with the speaker; None finds it (speaker, speaker_id, ...).
        speaker: name of the speaker where the source names none; None takes the source's own name.
        language: language where the source names none, ISO 639-1.
        split: split of a dataset that has several; None takes "train", or the only one.
        config_name: configuration of a dataset on the Hub that has several.
    """

    text_column: str | None = None
    audio_column: str | None = None
    speaker_column: str | None = None
    speaker: str | None = None
    language: str = "en"
    split: str | None = None
    config_name: str | None = None


@dataclass(frozen=True)
class ClipRules:
    """Which clips are taken, and what is done to their sound.

    Attributes:
        min_seconds, max_seconds: length after trimming; the semantic stage ends at about 15 s.
        trim: cut silence off at both ends.
        silence_db: pieces of 10 ms this far below the loudest one are silence.
        margin_seconds: silence that is kept at each end.
        loudness_db: root mean square that every clip gets, in dB below full scale; None leaves it.
        peak_db: the largest sample may reach this after levelling.
        min_level_db: clips whose loudest 10 ms are below this are silent.
        max_clipped: share of samples at full scale that is allowed.
        min_sampling_rate: in Hz; below 16,000 a clip is noted in any case.
        min_chars_per_second, max_chars_per_second: characters of text for each second of sound.
        semantic_rate_hz: tokens per second of a source's own semantic tokens; None takes the checkpoint's rate.
    """

    min_seconds: float = 0.5
    max_seconds: float = 15.0
    trim: bool = True
    silence_db: float = 40.0
    margin_seconds: float = 0.1
    loudness_db: float | None = -23.0
    peak_db: float = -1.0
    min_level_db: float = -60.0
    max_clipped: float = 0.001
    min_sampling_rate: int = 8_000
    min_chars_per_second: float = 3.0
    max_chars_per_second: float = 30.0
    semantic_rate_hz: float | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name}={value!r} must be from {low:g} to {high:g}.")
        for low_name, high_name in (
            ("min_seconds", "max_seconds"),
            ("min_chars_per_second", "max_chars_per_second"),
        ):
            if getattr(self, low_name) >= getattr(self, high_name):
                raise ValueError(
                    f"{low_name}={getattr(self, low_name)!r} must be below {high_name}={getattr(self, high_name)!r}: "
                    "no clip could be taken."
                )


_RANGES: dict[str, tuple[float, float]] = {
    "min_seconds": (0.0, 3600.0),
    "max_seconds": (0.0, 3600.0),
    "silence_db": (1.0, 120.0),
    "margin_seconds": (0.0, 10.0),
    "loudness_db": (-80.0, 0.0),
    "peak_db": (-60.0, 0.0),
    "min_level_db": (-120.0, 0.0),
    "max_clipped": (0.0, 1.0),
    "min_sampling_rate": (1, 192_000),
    "min_chars_per_second": (0.0, 1000.0),
    "max_chars_per_second": (0.0, 1000.0),
    "semantic_rate_hz": (1.0, 1000.0),
}


__all__ = ["ClipRules", "SourceOptions"]
