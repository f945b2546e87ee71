"""`bark-hf say`: one text -> one sound file, and what it took; long texts and dialogues are read in pieces.

Knows the command's options and the order of the work: everything that can be refused is refused before the model is
loaded.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..demo import DEMO
from .common import (
    BARK_MODEL,
    DEFAULT_MODEL,
    CliError,
    JsonOption,
    ModelOption,
    UsageError,
    only_our_words,
    print_json,
    say_note,
    say_warning,
)
from .cuts import warn_of_cuts
from .destination import Destination
from .fast import FastOption, LowMemoryOption, Speed
from .loading import (
    Attention,
    Dtype,
    check_device,
    check_model,
    import_networks,
    load_generation_config,
    load_model,
    load_processor,
    load_voice,
)
from .long_options import (
    AnchorOption,
    BatchOption,
    CandidatesOption,
    CastOption,
    CheckOption,
    FirstOption,
    LanguageOption,
    LongOptions,
    ModeOption,
    PieceOption,
    ResumeOption,
    RetakeOption,
    ScriptOption,
    needs_pieces,
)
from .long_text import speak_long
from .sound_stream import FormatOption, ListenerLeft, StreamOption
from .stages import StageClock, is_shown
from .summary import Statistics
from .text_source import read_file, read_text

if TYPE_CHECKING:
    import numpy as np

_SAMPLING = ("temperature", "top_k", "top_p")  # keywords of `generate` that mean drawing, with or without a stage


def generation_keywords(given: dict[str, Any], greedy: bool) -> dict[str, Any]:
    """Keywords of `BarkModel.generate`, each checked.

    Args:
        given: keyword -> value, None where the option was not given.
        greedy: whether --greedy was given.

    Raises:
        UsageError: for a value outside its limits, or an option that --greedy would make idle.
    """
    keywords = {name: value for name, value in given.items() if value is not None}
    drawing = [name for name in keywords if name == "seed" or name.endswith(_SAMPLING)]
    if greedy and drawing:
        raise UsageError(f"--greedy and {_option(drawing[0])} exclude each other; --greedy draws nothing; drop one")
    for name, value in keywords.items():
        _check_keyword(name, value)
    switches = {name.replace(end, "do_sample"): True for name in keywords for end in _SAMPLING if name.endswith(end)}
    return keywords | ({"do_sample": False} if greedy else switches)


def _check_keyword(name: str, value: Any) -> None:
    from ..generation.sampling import item_seeds
    from ..generation_configuration_bark import BarkGenerationConfig

    try:
        if name == "seed":
            item_seeds(value, 1)
        else:
            BarkGenerationConfig().with_keywords(**{name: value})
    except ValueError as error:
        raise UsageError(f"{_option(name)}: {error}") from error


def _option(keyword: str) -> str:
    return "--" + keyword.removesuffix("_s").replace("_", "-")


def say(
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="What to say, in quotes; - reads standard input.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Sound file: .wav, .flac or .ogg; - is a WAV on standard output.",
            show_default=False,
        ),
    ] = None,
    stream: StreamOption = None,
    stream_format: FormatOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read the text from a UTF-8 file.")
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    voice: Annotated[
        str | None,
        typer.Option("--voice", "-v", metavar="VOICE", help="Preset (see bark-hf voices) or .npz file."),
    ] = None,
    save_voice: Annotated[
        Path | None, typer.Option("--save-voice", metavar="FILE", help="Save the voice that spoke as .npz file.")
    ] = None,
    as_json: JsonOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars and no summary.")] = False,
    seed: Annotated[int | None, typer.Option(help="Same seed, same sound. Default: another one each time.")] = None,
    max_duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop after so many seconds of sound, each piece.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of all stages; 0 is greedy. Default: the checkpoint's, or 0.7 / 0.7 / 0.5.")
    ] = None,
    semantic_temperature: Annotated[float | None, typer.Option(help="Of the semantic stage; wins.")] = None,
    coarse_temperature: Annotated[float | None, typer.Option(help="Of the coarse stage; wins.")] = None,
    fine_temperature: Annotated[float | None, typer.Option(help="Of the fine stage; wins.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw among the k most probable tokens; 0 is off.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Draw among the tokens that make up this probability; 1 is off.")
    ] = None,
    min_eos_p: Annotated[
        float | None, typer.Option(help="Stop when the end has this probability. Default: the checkpoint's, or 0.2.")
    ] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always take the most probable token.")] = False,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:N, mps or xpu; auto takes the fastest.")
    ] = "auto",
    dtype: Annotated[Dtype | None, typer.Option(help="Number format. Default: the checkpoint's.")] = None,
    attn_implementation: Annotated[
        Attention | None, typer.Option(help="How attention is computed. Default: sdpa.")
    ] = None,
    script: ScriptOption = None,
    cast: CastOption = None,
    voice_mode: ModeOption = None,
    anchor_every: AnchorOption = None,
    candidates: CandidatesOption = None,
    check_with: CheckOption = None,
    piece_seconds: PieceOption = None,
    first_seconds: FirstOption = None,
    language: LanguageOption = None,
    batch_size: BatchOption = None,
    resume_to: ResumeOption = None,
    retake: RetakeOption = None,
    fast: FastOption = False,
    low_memory: LowMemoryOption = False,
) -> None:
    """Say a text: write a sound file and print what it took.

    A text of more than the checkpoint says at once (about 12 seconds; the demo 4), with paragraphs or with pause marks
    ([pause 0.5s]) is read in pieces; --stream sends the first of them while the others are being made.
    """
    long_options = LongOptions(
        script,
        cast,
        candidates,
        check_with,
        voice_mode,
        anchor_every,
        piece_seconds,
        first_seconds,
        language,
        resume_to,
        retake or [],
        batch_size,
    )
    long_options.check(text, file, voice, save_voice, greedy)
    if stream is not None and retake:
        raise UsageError(
            "--stream and --retake exclude each other; a stream is heard once; write the sound to --output"
        )
    spoken = read_text(text, file) if script is None else read_file(script, "--script")
    options = {
        "seed": seed,
        "max_duration_s": max_duration,
        "temperature": temperature,
        "semantic_temperature": semantic_temperature,
        "coarse_temperature": coarse_temperature,
        "fine_temperature": fine_temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_eos_p": min_eos_p,
    }
    keywords = generation_keywords(options, greedy)
    destination = Destination.of(output, stream, stream_format, save_voice)
    destination.check(as_json)
    if model == DEMO and not quiet:
        say_note(f"this is the package's small demo voice; for Bark itself (1.7 GB) add --model {BARK_MODEL}")
    with only_our_words():
        source = check_model(model)
        in_pieces = long_options.any_given or needs_pieces(spoken, load_generation_config(source).semantic_config)
        try:
            statistics = (partial(speak_long, options=long_options) if in_pieces else speak)(
                spoken,
                destination,
                keywords,
                model=model,
                source=source,
                voice=voice,
                device=device,
                dtype=dtype,
                attention=attn_implementation,
                speed=Speed(fast, low_memory),
                show=is_shown() and not quiet,
            )
        except ListenerLeft:
            return
    if as_json:
        print_json(statistics.to_dict())
    elif not quiet:
        print(statistics, file=sys.stderr if destination.is_stdout else sys.stdout)


def speak(
    text: str,
    destination: Destination,
    keywords: dict[str, Any],
    *,
    model: str,
    source: str,
    voice: str | None,
    device: str,
    dtype: Dtype | None,
    attention: Attention | None,
    speed: Speed,
    show: bool,
) -> Statistics:
    """Load, generate, write.

    Args:
        text: what to say.
        destination: where to, already checked.
        keywords: of `BarkModel.generate`.
        model, voice, device, dtype, attention, speed: as the user gave them.
        source: where the model is, see `check_model`.
        show: whether to show progress.
    """
    device = check_device(device)
    import_networks()
    started = time.perf_counter()
    processor = load_processor(source)
    prompt = load_voice(processor, voice, model)
    inputs = processor(text, voice_preset=prompt)
    network = speed.load(load_model, source, device, dtype, attention)
    load_seconds = time.perf_counter() - started

    with StageClock(show) as clock:
        result = network.generate(**inputs, **keywords, progress=clock, return_dict_in_generate=True)
        audio = result.waveform(0).cpu().numpy()
        clock.close()
    audio = _audible(audio)
    warn_of_cuts(result.generation_config.semantic_config, [int(result.semantic_lengths[0])])
    destination.write_sound(audio, result.sampling_rate)
    destination.write_voice(result)
    work = round(sum(clock.seconds.values()), 4)
    return Statistics.of(
        result,
        network,
        clock.seconds,
        load_seconds=load_seconds,
        text=text,
        model=model,
        voice=voice,
        output=str(destination.sound),
        save_voice=None if destination.voice is None else str(destination.voice),
        first_sound_seconds=None if destination.stream is None else work,
    )


def _audible(audio: np.ndarray) -> np.ndarray:
    """The samples in -1..1.

    Raises:
        CliError: if there are none.
    """
    from ..audio import clip

    if not audio.size:
        raise CliError(
            "the model ended at once, so there is no sound; no file was written; try another --seed, a longer text or "
            "a --min-eos-p nearer to 1"
        )
    audio, clipping = clip(audio)
    if clipping.samples:
        say_warning(
            f"{clipping.samples} of {audio.size} samples were beyond -1..1, up to {clipping.peak:.2f} "
            f"({clipping.samples / audio.size:.2%}); they were clipped"
        )
    return audio
