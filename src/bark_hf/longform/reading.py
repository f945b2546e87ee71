"""The calls: a long text or a dialogue in, a `LongResult` or a `SoundStream` out.

Knows options, and who does the work.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ..tokens import MAX_TEXT_LENGTH
from ..voices import VoicePrompt
from .result import LongResult
from .running import Run, begin_run
from .script import parse_script
from .sizing import check_piece_seconds, guess_language, piece_lengths
from .splitting import Piece, PieceSize, Split, split_text, token_counter
from .streaming import SoundStream
from .takes import TakeMaker


def read_long(
    model: Any,
    processor: Any,
    text: str,
    voice: Any = None,
    *,
    language: str | None = None,
    piece_seconds: float | None = None,
    first_seconds: float | None = None,
    **options: Any,
) -> LongResult:
    """Read a text of any length with one voice.

    Args:
        model, processor: `BarkModel` and `BarkProcessor` of one checkpoint.
        text: paragraphs are parted by empty lines; `[pause]`, `[pause 0.5s]` are silence; tags (`[laughs]`, `♪`,
            `[MAN]`) are Bark's.
        voice: a preset's name, a `.npz` path or a `VoicePrompt`. None: the first piece is generated without a voice
            and becomes the voice of all others.
        language: code of the language, for sentences and lengths; None takes the preset's, or guesses by the script.
        piece_seconds: how long a piece should be, as expected from the text; None is 10, or less where the checkpoint
            can't say as much at once (`max_new_tokens`; the demo: 3.4).
        first_seconds: the same for the first piece alone: a short one lets a stream begin earlier. None is no
            exception.
        options: see `begin_run`: `voice_mode`, `anchor_every`, `seed`, `candidates`, `scorer`, `batch_size`, `trim`,
            `pauses`, `fade_s`, `level_db`, `folder`, `report`; and the keywords of `BarkModel.generate`.

    Raises:
        TypeError: for an unknown option.
        ValueError: for text without words, an unknown voice or language, a value outside its limits, a folder of
            another run.
        OSError: if the folder can't be written.

    Example:

    ```py
    result = read_long(model, processor, open("book.txt").read(), "v2/en_speaker_6", seed=1, folder="book")
    result.save("book.wav")
    result = result.retake(3)
    ```
    """
    return _finished(_begin(model, processor, text, voice, language, piece_seconds, first_seconds, options))


def stream(
    model: Any,
    processor: Any,
    text: str,
    voice: Any = None,
    *,
    language: str | None = None,
    piece_seconds: float | None = None,
    first_seconds: float | None = None,
    **options: Any,
) -> SoundStream:
    """Read a text with one voice, piece by piece: the first sound comes when the first piece is made.

    Args:
        model, processor, text, voice, language, piece_seconds, first_seconds, options: see `read_long`, which gives
            the same sound, sample for sample.

    Returns:
        an iterator of float32 [samples] chunks at `sampling_rate`.

    Raises:
        TypeError, ValueError, OSError: as `read_long`; faults of the options and the text before the first chunk.

    Example:

    ```py
    sound = stream(model, processor, text, "v2/en_speaker_6", seed=1)
    for chunk in sound:
        player.write(chunk)
    sound.first_sound_seconds, sound.result.segments
    ```
    """
    return SoundStream(_begin(model, processor, text, voice, language, piece_seconds, first_seconds, options))


def read_script(
    model: Any,
    processor: Any,
    script: str,
    cast: Mapping[str, Any],
    *,
    language: str | None = None,
    piece_seconds: float | None = None,
    first_seconds: float | None = None,
    **options: Any,
) -> LongResult:
    """Read a dialogue, a voice per speaker.

    Args:
        model, processor, language, piece_seconds, first_seconds, options: see `read_long`.
        script: lines `NAME: text`, see `parse_script`.
        cast: name -> voice, each as in `read_long`.

    Raises:
        ValueError: naming the line, for one without a name, a name that is not cast, or without words; and see
            `read_long`.
    """
    return _finished(_begin_script(model, processor, script, cast, language, piece_seconds, first_seconds, options))


def stream_script(
    model: Any,
    processor: Any,
    script: str,
    cast: Mapping[str, Any],
    *,
    language: str | None = None,
    piece_seconds: float | None = None,
    first_seconds: float | None = None,
    **options: Any,
) -> SoundStream:
    """Read a dialogue piece by piece: `stream` for what `read_script` reads, with the same arguments and errors."""
    return SoundStream(_begin_script(model, processor, script, cast, language, piece_seconds, first_seconds, options))


def _finished(run: Run) -> LongResult:
    return run.result(run.reader.finish(run.done, run.report))


def _begin(
    model: Any,
    processor: Any,
    text: str,
    voice: Any,
    language: str | None,
    piece_seconds: float | None,
    first_seconds: float | None,
    options: Mapping[str, Any],
) -> Run:
    prompt = processor.voices.resolve(voice)
    language = language or guess_language(text if isinstance(text, str) else "", _name(voice, prompt))
    size = piece_size(model, processor, piece_seconds, options, first_seconds)
    split = split_text(text, token_counter(processor.tokenizer), size, language)
    return begin_run(model, processor, split, {"": prompt}, **options)


def _begin_script(
    model: Any,
    processor: Any,
    script: str,
    cast: Mapping[str, Any],
    language: str | None,
    piece_seconds: float | None,
    first_seconds: float | None,
    options: Mapping[str, Any],
) -> Run:
    speeches = parse_script(script, cast)
    voices = {name: processor.voices.resolve(cast[name]) for name in dict.fromkeys(s.speaker for s in speeches)}
    size = piece_size(model, processor, piece_seconds, options, first_seconds)
    count = token_counter(processor.tokenizer)
    pieces: list[Piece] = []
    unspoken: list[str] = []
    lead = 0.0
    for speech in speeches:
        spoken = language or guess_language(speech.text, _name(cast[speech.speaker], voices[speech.speaker]))
        try:
            own = size._replace(first=None) if pieces else size
            split = split_text(speech.text, count, own, spoken)
        except ValueError as error:
            raise ValueError(f"line {speech.line}: {error}") from error
        if split.lead and pieces:
            pieces[-1] = pieces[-1]._replace(silence=(pieces[-1].silence or 0.0) + split.lead)
        elif split.lead:
            lead = split.lead
        pieces += [piece._replace(speaker=speech.speaker) for piece in split.pieces]
        pieces[-1] = pieces[-1]._replace(after="speech")
        unspoken += split.unspoken
    return begin_run(model, processor, Split(pieces, lead, unspoken), voices, **options)


def piece_size(
    model: Any,
    processor: Any,
    piece_seconds: float | None,
    options: Mapping[str, Any],
    first_seconds: float | None = None,
) -> PieceSize:
    """How long pieces should and may be for a checkpoint.

    Args:
        model, processor: of the checkpoint.
        piece_seconds, first_seconds: see `read_long`.
        options: see `read_long`; a `max_duration_s` among them bounds the pieces too.

    Raises:
        TypeError: for an unknown option. ValueError: for a value outside its limits.
    """
    keywords = {name: value for name, value in options.items() if name not in _OWN}
    maker = TakeMaker(model, processor, keywords, batch_size=1)
    seconds = piece_lengths(maker.most_tokens, maker.rules.semantic_rate_hz, piece_seconds)
    if first_seconds is not None:
        check_piece_seconds("first_seconds", first_seconds, seconds.longest)
    tokens = min(MAX_TEXT_LENGTH, maker.config.semantic_config.max_input_semantic_length)
    return PieceSize(seconds.target, seconds.limit, tokens, first_seconds)


def _name(given: Any, voice: VoicePrompt | None) -> str | None:
    return given if isinstance(given, str) else None if voice is None else voice.name


# What is ours; everything else is for `generate`.
_OWN = frozenset(
    name
    for name, parameter in inspect.signature(begin_run).parameters.items()
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY
)

__all__ = ["piece_size", "read_long", "read_script", "stream", "stream_script"]
