"""One clip of a source -> samples that a codec can encode, or the reason why not.

Knows the checks and their order: what is cheap comes first. Must not know codecs, tokenizers or shards.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from ... import tokens
from .clips import ClipError, SourceClip
from .options import ClipRules
from .sound import Recording, file_seconds, frame_levels_db, level_db, levelled, read_sound, resample, speech_span

NARROW_BAND_HZ = 16_000
LENGTH_TOLERANCE_SECONDS = 0.25  # tokens and sound may differ by this much; aligners and encoders lose a frame or two
_READ_AT_MOST = 10  # times max_seconds: longer files are refused by their header, before their samples fill the memory


class ReadyClip(NamedTuple):
    """A clip that passed the checks.

    Attributes:
        samples: float32 [n] at the codec's rate, trimmed and levelled.
        text: white space normalised.
        semantic: the source's own tokens [S] of the same piece of sound, or None.
        notes: keys of `NOTES`.
    """

    samples: np.ndarray
    text: str
    semantic: np.ndarray | None
    notes: tuple[str, ...]


def ready_clip(
    clip: SourceClip,
    rules: ClipRules,
    sampling_rate: int,
    semantic_rate_hz: float,
    count_tokens: Callable[[str], int] | None,
) -> ReadyClip:
    """Check a clip, and bring its sound into the form that is encoded.

    Args:
        clip: from a source.
        rules: what is allowed and what is done.
        sampling_rate: the codec's, in Hz.
        semantic_rate_hz: tokens per second; silence is cut at borders between tokens.
        count_tokens: text -> number of text tokens, or None if there is no tokenizer to ask.

    Raises:
        ClipError: the reason why the clip can't be used.
    """
    text = checked_text(clip.text, count_tokens)
    recording = _read(clip.sound, clip.name, rules)
    notes = _check_recording(recording, rules)
    if recording.sampling_rate != sampling_rate:
        notes.append("resampled")
    samples = resample(recording.samples, recording.sampling_rate, sampling_rate)
    own = own_tokens(clip.semantic)
    if own is not None:
        check_lengths(own.shape[0] / semantic_rate_hz, recording.seconds)
    if rules.trim:
        samples, own = _trimmed(samples, own, sampling_rate, semantic_rate_hz, rules)
    _check_length(text, samples.shape[0] / sampling_rate, rules)
    if rules.loudness_db is not None:
        samples = levelled(samples, rules.loudness_db, rules.peak_db)
        if level_db(samples) < rules.loudness_db - 0.1:
            notes.append("quieter_than_asked")
    return ReadyClip(samples, text, own, tuple(notes))


def checked_text(text: str | None, count_tokens: Callable[[str], int] | None) -> str:
    """The text as it is trained on: each run of white space is one space, none at the ends.

    Raises:
        ClipError: if there is none, or too much.
    """
    if not isinstance(text, str) or not text.strip():
        raise ClipError("no_text", repr(text), "at least 1 character")
    if not _is_unicode(text):
        raise ClipError("broken_text", ascii(text[:40]), "no half surrogate pairs")
    text = " ".join(text.split())
    if count_tokens is not None and not 0 < (count := count_tokens(text)) <= tokens.MAX_TEXT_LENGTH:
        raise ClipError("long_text" if count else "no_text", f"{count} tokens", f"1 to {tokens.MAX_TEXT_LENGTH} tokens")
    return text


def own_tokens(value: Any) -> np.ndarray | None:
    """A source's own semantic tokens as int64 [S].

    Raises:
        ClipError: if they are something else.
    """
    if value is None:
        return None
    try:
        ids = np.asarray(value)
    except ValueError:  # lists of unequal length
        ids = np.empty(0)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ClipError("semantic_range", repr(value)[:40], "a list of whole numbers")
    return ids.astype(np.int64)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(sound: Path | bytes | None, name: str, rules: ClipRules) -> Recording:
    if sound is None:
        raise ClipError("missing_file", name, "a sound file")
    try:
        seconds = file_seconds(sound)
        if seconds > _READ_AT_MOST * rules.max_seconds:
            raise ClipError("too_long", f"{seconds:.2f} s", f"{rules.max_seconds:g} s")
        return read_sound(sound)
    except FileNotFoundError:
        raise ClipError("missing_file", name, "a sound file") from None
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise ClipError("unreadable", " ".join(str(error).split()), "WAV, FLAC, OGG, MP3") from None


def _check_recording(recording: Recording, rules: ClipRules) -> list[str]:
    """Refuse what resampling would blur; the notes about the rest."""
    samples = recording.samples
    if not np.isfinite(samples).all():
        raise ClipError("not_finite", f"{int((~np.isfinite(samples)).sum())} samples", "0 samples")
    if recording.sampling_rate < rules.min_sampling_rate:
        raise ClipError("low_rate", f"{recording.sampling_rate} Hz", f"{rules.min_sampling_rate} Hz")
    if recording.seconds < rules.min_seconds or not samples.size:
        raise ClipError("too_short", f"{recording.seconds:.2f} s", f"{rules.min_seconds:g} s")
    loudest = float(frame_levels_db(samples, recording.sampling_rate).max())
    if loudest < rules.min_level_db or not samples.any():
        raise ClipError("silent", f"{loudest:.1f} dB", f"{rules.min_level_db:g} dB")
    if recording.clipped > rules.max_clipped:
        raise ClipError("clipped", f"{recording.clipped:.2%} of the samples", f"{rules.max_clipped:.2%}")
    notes = {
        "mixed_to_mono": recording.n_channels > 1,
        "narrow_band": recording.sampling_rate < NARROW_BAND_HZ,
    }
    return [note for note, holds in notes.items() if holds]


def check_lengths(semantic_seconds: float, seconds: float) -> None:
    """Refuse tokens that can't belong to the sound.

    Raises:
        ClipError: if the two differ by more than `LENGTH_TOLERANCE_SECONDS`.
    """
    if abs(semantic_seconds - seconds) > LENGTH_TOLERANCE_SECONDS:
        raise ClipError(
            "semantic_length",
            f"tokens of {semantic_seconds:.2f} s for {seconds:.2f} s of sound",
            f"{LENGTH_TOLERANCE_SECONDS:g} s apart",
        )


def _trimmed(
    samples: np.ndarray, semantic: np.ndarray | None, sampling_rate: int, semantic_rate_hz: float, rules: ClipRules
) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples and tokens without the silence at both ends, cut at borders between tokens."""
    start, end = speech_span(samples, sampling_rate, rules.silence_db, rules.margin_seconds)
    # A hundred-thousandth of a token keeps a cut that falls on a border there, whatever the rounding.
    first, last = int(start * semantic_rate_hz + 1e-5), -int(-(end * semantic_rate_hz - 1e-5) // 1)
    cut = slice(round(first / semantic_rate_hz * sampling_rate), round(last / semantic_rate_hz * sampling_rate))
    return samples[cut], None if semantic is None else semantic[first:last]


def _check_length(text: str, seconds: float, rules: ClipRules) -> None:
    if seconds < rules.min_seconds:
        raise ClipError("too_short", f"{seconds:.2f} s", f"{rules.min_seconds:g} s")
    if seconds > rules.max_seconds:
        raise ClipError("too_long", f"{seconds:.2f} s", f"{rules.max_seconds:g} s")
    rate = len(text) / seconds
    if rate > rules.max_chars_per_second:
        raise ClipError("fast_speech", f"{rate:.1f} characters/s", f"{rules.max_chars_per_second:g}")
    if rate < rules.min_chars_per_second:
        raise ClipError("slow_speech", f"{rate:.1f} characters/s", f"{rules.min_chars_per_second:g}")


__all__ = ["LENGTH_TOLERANCE_SECONDS", "ReadyClip", "check_lengths", "checked_text", "ready_clip"]
