"""`bark-hf voices make | show | mix`: options, places of files and words; the work is in `bark_hf.voice_making`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import (
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
from .loading import check_device, check_model, hub_errors, import_networks, load_processor, load_voice

if TYPE_CHECKING:
    from ..generation.output import BarkOutput
    from ..generation_configuration_bark import BarkGenerationConfig
    from ..voice_making.making import MadeVoice
    from ..voice_making.playing import VoiceDescription
    from ..voices import VoicePrompt


def make(
    audio: Annotated[Path, typer.Option("--audio", "-a", metavar="FILE", help="Recording: 5 to 12 s of one speaker.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The voice: a .npz file.")],
    model: ModelOption = DEFAULT_MODEL,
    semantic_tokenizer: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Semantic tokenizer: folder, Hub name or .pth. Default: --model's."),
    ] = None,
    speech_encoder: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Speech encoder of a .pth. Default: HuBERT base."),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What the whole recording says: refused if its length can't be that."),
    ] = None,
    max_seconds: Annotated[float, typer.Option(help="Of a longer recording the best part is taken.")] = 12.0,
    min_snr: Annotated[float, typer.Option(metavar="DB", help="Level of speech over pauses that is needed.")] = 10.0,
    loudness_db: Annotated[float, typer.Option(help="Root mean square that the voice gets, dBFS.")] = -23.0,
    keep_loudness: Annotated[bool, typer.Option("--keep-loudness", help="Leave it as loud as it is.")] = False,
    device: Annotated[str, typer.Option(help="Where codec and tokenizer compute: auto, cpu, cuda ...")] = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Make a voice from a recording."""
    _check_file(output, ".npz", "--output")
    device = check_device(device)
    with only_our_words():
        from ..voice_making import RecordingRules, VoiceMaker
        from ..voice_making.recording import look_through

        rules = RecordingRules(
            max_seconds=max_seconds, min_snr_db=min_snr, loudness_db=None if keep_loudness else loudness_db
        )
        recording = look_through(audio)  # before the networks: a wrong path should be said at once
        model = check_model(model)
        with hub_errors(model):
            maker = VoiceMaker(model, semantic_tokenizer, speech_encoder=speech_encoder, rules=rules, device=device)
        made = maker.make(recording, text=text, name=output.stem)
        made.voice.save(output)
    for note in made.notes:
        say_warning(f"{audio}: {note}")
    if as_json:
        print_json(_made_json(made, output))
    else:
        _print_made(made, audio, output)


def show(
    voice: Annotated[str, typer.Argument(metavar="VOICE", help="A .npz file, or the name of a preset.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write spectrogram and tokens as .png.")
    ] = None,
    play: Annotated[
        Path | None, typer.Option("--play", metavar="FILE", help="Write the voice's own sound: .wav, .flac, .ogg.")
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    as_json: JsonOption = False,
) -> None:
    """Show what a voice holds: length, tokens, repetitions; as a picture, as sound."""
    if output is not None:
        _check_file(output, ".png", "--output")
    if play is not None:
        _check_sound(play)
    with only_our_words():
        import_networks()
        from ..voice_making.playing import describe_voice

        model = check_model(model)
        prompt, config = _voice_of(model, voice)
        description = describe_voice(prompt, config)
        if output is not None or play is not None:
            sound = _sound_of(model, prompt, config)
            _write(sound, voice, output, play)
    if as_json:
        print_json(_shown_json(voice, description))
    else:
        _print_shown(voice, description, prompt)
    for path in (output, play):
        if path is not None and not as_json:
            print(path)


def mix(
    voices: Annotated[list[str] | None, typer.Argument(metavar="VOICE", help="Two or more voices.")] = None,
) -> None:
    """Refused, with the reason."""
    said = f"{' and '.join(voices)} can't be mixed" if voices else "voices can't be mixed"
    raise UsageError(
        f"{said}; a voice is a row of token numbers, and the mean of two numbers is a third sound "
        "and no sound between the two; make a voice of one speaker with bark-hf voices make"
    )


def _check_file(path: Path, suffix: str, option: str) -> None:
    from ..audio import check_target

    if path.suffix.lower() != suffix:
        raise UsageError(f"{option} {path} must end in {suffix}; name it {path.stem or 'voice'}{suffix}")
    check_target(path)


def _check_sound(path: Path) -> None:
    from ..audio import check_target, sound_suffix

    try:
        sound_suffix(path)
    except ValueError as error:
        raise UsageError(f"--play {error}") from error
    check_target(path)


def _voice_of(model: str, voice: str) -> tuple[VoicePrompt, BarkGenerationConfig]:
    """The voice, valid for the model, and the model's generation config."""
    from ..generation_configuration_bark import BarkGenerationConfig

    processor = load_processor(model)
    try:
        prompt = load_voice(processor, voice, model)
    except ValueError as error:
        raise CliError(f"{error} If it is another checkpoint's voice, give that as --model") from error
    assert prompt is not None
    with hub_errors(model):
        return prompt, BarkGenerationConfig.from_pretrained(model)


def _sound_of(model: str, voice: VoicePrompt, config: BarkGenerationConfig) -> BarkOutput:
    from ..training.prepare.encoding import load_codec
    from ..voice_making.playing import play_voice

    with hub_errors(model):
        codec = load_codec(model)
    return play_voice(voice, codec, config)


def _write(sound: BarkOutput, title: str, picture: Path | None, play: Path | None) -> None:
    from ..audio import write_file

    if play is not None:
        sound.save(play)
    if picture is not None:
        figure = sound.plot()
        figure.axes[0].set_title(f"{title}: {sound.waveform().shape[0] / sound.sampling_rate:.2f} s")
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=110)
        write_file(picture, content.getvalue())


def _made_json(made: MadeVoice, output: Path) -> dict[str, Any]:
    return {
        "voice": str(output),
        "seconds": round(made.voice.seconds, 3),
        "semantic_tokens": made.voice.semantic_prompt.shape[0],
        "frames": made.voice.fine_prompt.shape[1],
        "start": round(made.start, 3),
        "end": round(made.end, 3),
        "recording_seconds": round(made.recording_seconds, 3),
        "snr_db": round(made.snr_db, 1),
        "notes": list(made.notes),
    }


def _print_made(made: MadeVoice, audio: Path, output: Path) -> None:
    voice = made.voice
    print(
        f"{output}: {voice.seconds:.2f} s, {voice.semantic_prompt.shape[0]} semantic tokens, "
        f"{voice.fine_prompt.shape[1]} frames"
    )
    print(
        f"from {made.start:.2f} s to {made.end:.2f} s of {audio} ({made.recording_seconds:.2f} s), speech "
        f"{made.snr_db:.0f} dB above its pauses"
    )
    say_note("make voices only of yourself, or of people who agree to it")


def _shown_json(voice: str, description: VoiceDescription) -> dict[str, Any]:
    content = description._asdict()
    content["longest_run"] = description.longest_run._asdict()
    content["long_runs"] = [run._asdict() for run in description.long_runs]
    return {"voice": voice, **content}


def _print_shown(voice: str, shown: VoiceDescription, prompt: VoicePrompt) -> None:
    from ..voice_making.playing import LONG_RUN_SECONDS

    rules = prompt.rules
    heard = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in shown.heard.items())
    longest = shown.longest_run
    print(f"{voice}: {shown.seconds:.2f} s, {shown.n_frames} frames at {rules.coarse_rate_hz:g} Hz")
    print(
        f"{shown.n_tokens} semantic tokens at {rules.semantic_rate_hz:g} Hz, {shown.n_different} different of "
        f"{rules.semantic_vocab_size}"
    )
    print(
        f"longest run: {longest.length} of token {longest.token} ({longest.length / rules.semantic_rate_hz:.2f} s) "
        f"at {longest.start:.2f} s; runs of more than {LONG_RUN_SECONDS:g} s: {len(shown.long_runs)}"
    )
    print(f"Bark hears its end: {heard}")


__all__ = ["make", "mix", "show"]
