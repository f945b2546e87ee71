"""A recording -> a voice: look through, choose, level, encode, cut to one length.

Knows the order of the steps. The steps are in `recording`, `stretch`, `networks` and in preparation.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..semantic_tokenizer import SemanticTokenizer
from ..training.prepare.encoding import fitted
from ..training.prepare.processing import NARROW_BAND_HZ
from ..training.prepare.sound import level_db, levelled, resample
from ..voices import VoicePrompt
from .networks import Source, load_encoder
from .recording import PREPARED, Recording, RecordingRules, look_through
from .stretch import Stretch, best_stretch, spoken_seconds

_GOOD_SNR_DB = 20.0  # below this the voice will carry the noise along
_WHOLE_SECONDS = 0.5  # a recording of which no more than this was left out beside its silence was taken as a whole


class MadeVoice(NamedTuple):
    """A voice, and how it came to be.

    Attributes:
        voice: ready for `generate` and `save`.
        sound: float32 [n] at `sampling_rate`: what was encoded.
        sampling_rate: of the codec, in Hz.
        start, end: seconds of the recording that were taken.
        recording_seconds: its whole length.
        snr_db: level of the speech over that of the pauses.
        notes: what a user should know, one line each.
    """

    voice: VoicePrompt
    sound: np.ndarray
    sampling_rate: int
    start: float
    end: float
    recording_seconds: float
    snr_db: float
    notes: tuple[str, ...]


class VoiceMaker:
    """Makes voices for one checkpoint; its codec and tokenizer are loaded once.

    Args:
        model: folder or Hub name of a checkpoint or a codec, "demo", a `BarkModel`, or a loaded codec.
        semantic_tokenizer: folder, Hub name, a community HuBERT quantizer's `.pth` file, or a loaded one; None takes
            the checkpoint's own, in its folder `semantic_tokenizer`.
        speech_encoder: of a `.pth` quantizer: folder or Hub name; None is facebook/hubert-base-ls960.
        rules: what a recording must be.
        device: where codec and tokenizer compute.

    Raises:
        ValueError: if there is no tokenizer with the checkpoint's ids, or codec, tokenizer and rates don't fit.
        OSError: if there is no such checkpoint.
    """

    def __init__(
        self,
        model: Source,
        semantic_tokenizer: str | Path | SemanticTokenizer | None = None,
        *,
        speech_encoder: str | Path | None = None,
        rules: RecordingRules | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.rules = rules or RecordingRules()
        self.encoder = load_encoder(model, semantic_tokenizer, speech_encoder, device)

    def make(
        self,
        audio: str | Path | np.ndarray | Recording,
        sampling_rate: int | None = None,
        *,
        text: str | None = None,
        name: str | None = None,
    ) -> MadeVoice:
        """A voice of the best stretch of a recording.

        Args:
            audio: a sound file; mono samples [n], float in -1..1 or integer PCM; or what `look_through` gave.
            sampling_rate: of an array, in Hz.
            text: what is said in the whole recording. A voice needs none; if it is given, a recording that can't be
                it (below 3 or above 30 characters per second) is refused.
            name: what to call the voice; by default the file's name without its ending.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: for a recording that can't be a voice: what is wrong, the limit, the remedy.
        """
        recording = audio if isinstance(audio, Recording) else look_through(audio, sampling_rate)
        if text is not None:
            _check_text(text, recording)
        stretch = best_stretch(recording, self.rules)
        sound = self._sound(recording, stretch)
        semantic, codes = fitted(
            self.encoder.semantic(sound), self.encoder.codes(sound), self.encoder.rules.frames_per_token
        )
        rules = self.encoder.rules
        if name is None and isinstance(recording.source, Path):
            name = recording.source.stem
        voice = VoicePrompt(semantic, codes[: rules.n_coarse_codebooks], codes, name=name, rules=rules)
        start = stretch.start * recording.piece_seconds
        end = min(stretch.end * recording.piece_seconds, recording.seconds)
        return MadeVoice(
            voice,
            sound,
            self.encoder.sampling_rate,
            start,
            end,
            recording.seconds,
            stretch.snr_db,
            self._notes(recording, stretch, sound, start, end),
        )

    def _sound(self, recording: Recording, stretch: Stretch) -> np.ndarray:
        """The stretch at the codec's rate and at the level of prepared speech."""
        samples = recording.samples(stretch.start, stretch.end)
        samples = np.asarray(resample(samples, recording.rate, self.encoder.sampling_rate), dtype=np.float32)
        if self.rules.loudness_db is None:
            return samples
        return levelled(samples, self.rules.loudness_db, PREPARED.peak_db)

    def _notes(
        self, recording: Recording, stretch: Stretch, sound: np.ndarray, start: float, end: float
    ) -> tuple[str, ...]:
        whole = spoken_seconds(recording) + 2 * PREPARED.margin_seconds
        target = self.rules.loudness_db
        notes = {
            f"only {start:.2f} s to {end:.2f} s of the {recording.seconds:.2f} s were taken": (
                end - start < whole - _WHOLE_SECONDS
            ),
            f"it begins or ends within speech: no pause comes within {self.rules.max_seconds:g} s": stretch.cut,
            f"its speech is only {stretch.snr_db:.0f} dB above its pauses; the voice will have that noise": (
                stretch.snr_db < _GOOD_SNR_DB
            ),
            f"its sampling rate is {recording.rate} Hz, so the voice will sound dull": recording.rate < NARROW_BAND_HZ,
            f"{recording.n_channels} channels were mixed to one": recording.n_channels > 1,
            "its level was kept lower, since its peaks are high": (
                target is not None and level_db(sound) < target - 0.1
            ),
        }
        return tuple(note for note, holds in notes.items() if holds)


def make_voice(
    audio: str | Path | np.ndarray,
    sampling_rate: int | None = None,
    model: Source = "demo",
    semantic_tokenizer: str | Path | SemanticTokenizer | None = None,
    *,
    speech_encoder: str | Path | None = None,
    text: str | None = None,
    name: str | None = None,
    rules: RecordingRules | None = None,
    device: str | torch.device = "cpu",
) -> VoicePrompt:
    """A voice from a recording; what `VoiceMaker` notes about it becomes warnings.

    Args:
        audio, sampling_rate, text, name: see `VoiceMaker.make`.
        model, semantic_tokenizer, speech_encoder, rules, device: see `VoiceMaker`.

    Raises:
        ValueError, FileNotFoundError, OSError: see there.

    Example:

    ```py
    voice = make_voice("me.wav", model="demo")
    voice.save("me.npz")
    ```
    """
    maker = VoiceMaker(model, semantic_tokenizer, speech_encoder=speech_encoder, rules=rules, device=device)
    made = maker.make(audio, sampling_rate, text=text, name=name)
    for note in made.notes:
        warnings.warn(f"the voice {made.voice.name or ''}: {note}", stacklevel=2)
    return made.voice


def _check_text(text: str, recording: Recording) -> None:
    text = " ".join(text.split())
    if not text:
        raise ValueError("the text is empty; it must be what is said in the recording; leave it out, or give it")
    rate = len(text) / spoken_seconds(recording)
    low, high = PREPARED.min_chars_per_second, PREPARED.max_chars_per_second
    if not low <= rate <= high:
        raise ValueError(
            f"{recording.label} can't say this text: {len(text)} characters in {spoken_seconds(recording):.1f} s are "
            f"{rate:.1f} per second; {low:g} to {high:g} are possible; give the text of the whole recording"
        )


__all__ = ["MadeVoice", "VoiceMaker", "make_voice"]
