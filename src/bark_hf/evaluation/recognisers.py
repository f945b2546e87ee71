"""Speech recognisers behind one method. Knows the packages that recognise; knows no error rates.

A recogniser that loops on bad sound would write hundreds of words, so that one clip decides the rate of a whole set:
what it may write grows with the clip's seconds.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

from .packages import needed
from .sounds import at_rate, read_sound

WHISPER_SECONDS = 30  # what Whisper hears at once
MOST_TOKENS = 224  # of one such stretch: half of Whisper's text context
TOKENS_PER_SECOND = 12  # fast speech has 5, timestamps included
TOKENS_AT_LEAST = 24
KINDS = ("faster-whisper", "transformers")


class Recogniser(Protocol):
    """What listens.

    Attributes:
        name: for the settings of a result.
    """

    name: str

    def transcribe(self, path: Path) -> str:
        """The words of a sound file, with whatever case and punctuation the recogniser writes."""


def token_cap(seconds: float) -> int:
    """Tokens that a recogniser may write for a clip of so many seconds (per 30 s, if it is longer)."""
    heard = min(seconds, WHISPER_SECONDS)
    return min(MOST_TOKENS, TOKENS_AT_LEAST + math.ceil(TOKENS_PER_SECOND * heard))


class FasterWhisper:
    """Whisper by CTranslate2, in int8 on the CPU, beam of 5, each stretch without the text before it.

    Args:
        model: a folder with `model.bin`, a size ("base"), or a name on the Hub.
        language: code of the language that is spoken, or None to let Whisper guess.

    Raises:
        ImportError: without the package faster-whisper.
        ValueError: for a model that can't be had.
    """

    def __init__(self, model: str, language: str | None = "en"):
        package = needed("faster_whisper", "--recogniser faster-whisper")
        folder = Path(model).expanduser()
        if folder.is_dir():
            if not (folder / "model.bin").is_file():
                raise ValueError(
                    f"the folder {model} has no model.bin; a CTranslate2 Whisper is needed; check the path"
                )
            model = str(folder)
        elif model not in package.available_models() and (model.count("/") != 1 or model.startswith((".", "~"))):
            sizes = ", ".join(package.available_models())
            raise ValueError(f"faster-whisper:{model} is neither a folder nor a size ({sizes}); check it")
        try:
            self._model = package.WhisperModel(model, device="cpu", compute_type="int8")
        except (OSError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"faster-whisper:{model} can't be loaded ({reason}); give a folder that has it") from error
        self.name, self.language = f"faster-whisper:{model}", language

    def transcribe(self, path: Path) -> str:
        """See `Recogniser`."""
        segments, _ = self._model.transcribe(
            str(path),
            beam_size=5,
            language=self.language,
            condition_on_previous_text=False,
            max_new_tokens=token_cap(_seconds(path)),
        )
        return " ".join(segment.text for segment in segments)


class TransformersRecogniser:
    """Any speech recognition model of Transformers, by its pipeline.

    Args:
        model: folder or name on the Hub.
        language: for multilingual Whisper models; others have one language.
        device: as torch names it.

    Raises:
        ValueError: for a model that can't be had.
    """

    def __init__(self, model: str, language: str | None = "en", device: str = "cpu"):
        from transformers import pipeline

        try:
            self._pipe: Any = pipeline("automatic-speech-recognition", model=model, device=device)
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"transformers:{model} is no speech recogniser that loads ({reason}); check it") from error
        self.name, self.language = f"transformers:{model}", language

    def transcribe(self, path: Path) -> str:
        """See `Recogniser`."""
        audio, rate = read_sound(path)
        wanted = self._pipe.feature_extractor.sampling_rate
        sound = {"raw": at_rate(audio, rate, wanted), "sampling_rate": wanted}
        return self._pipe(sound, **self._options(audio.shape[0] / rate))["text"]

    def _options(self, seconds: float) -> dict[str, Any]:
        if not self._pipe.type.startswith("seq2seq"):
            return {}  # CTC writes at most one token per frame
        options: dict[str, Any] = {"generate_kwargs": {"max_new_tokens": token_cap(seconds)}}
        if self._pipe.type == "seq2seq_whisper":
            if self.language and getattr(self._pipe.model.generation_config, "is_multilingual", False):
                options["generate_kwargs"] |= {"language": self.language, "task": "transcribe"}
            if seconds > WHISPER_SECONDS:
                options["return_timestamps"] = True
        return options


def load_recogniser(name: str, language: str | None = "en", device: str = "cpu") -> Recogniser:
    """A recogniser by its name, "faster-whisper:MODEL" or "transformers:MODEL".

    Raises:
        ValueError: for another kind, or a model that can't be had.
        ImportError: for a kind whose package is missing.
    """
    kind, _, model = name.partition(":")
    if kind not in KINDS or not model:
        raise ValueError(f"recogniser {name!r} is unknown; it is {' or '.join(f'{k}:MODEL' for k in KINDS)}; give one")
    return (
        FasterWhisper(model, language) if kind == "faster-whisper" else TransformersRecogniser(model, language, device)
    )


def _seconds(path: Path) -> float:
    import soundfile

    return soundfile.info(path).duration
