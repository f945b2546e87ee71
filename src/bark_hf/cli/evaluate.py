"""`bark-hf evaluate`: how well a checkpoint speaks a list of texts, or how good recordings are.

Knows the command's options and the order of the work: everything that can be refused is refused before a model is
loaded.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import DEFAULT_MODEL, JsonOption, ModelOption, UsageError, only_our_words, print_json
from .evaluating import Speaker, bars, load_encoder, load_listener, open_prepared
from .loading import Dtype
from .say import generation_keywords
from .stages import is_shown

if TYPE_CHECKING:
    from ..evaluation.results import Results

DEFAULT_RECOGNISER = "faster-whisper:base"
PIPE_WIDTH = 120  # columns of the tables where there is no terminal


def evaluate(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for results.json, plot.png and audio/.")
    ],
    texts: Annotated[
        Path | None,
        typer.Argument(metavar="LIST", help="Texts: .txt, one a line, or .jsonl; recordings with --audio."),
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    voices: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Presets or .npz files; all: every preset; none: no voice. Default: none."),
    ] = None,
    audio: Annotated[
        bool, typer.Option("--audio", help='LIST has recordings: {"wav": ..., "text": ..., "speaker": ...} a line.')
    ] = False,
    prepared: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Prepared data, for --oracles and --losses; no LIST.")
    ] = None,
    oracles: Annotated[
        bool, typer.Option("--oracles", help="Sounds of the chain from true codes, true tokens and text.")
    ] = False,
    losses: Annotated[bool, typer.Option("--losses", help="Teacher-forced losses of each stage.")] = False,
    recogniser: Annotated[
        str, typer.Option(metavar="KIND:MODEL", help="faster-whisper: or transformers: and a folder or name; or none.")
    ] = DEFAULT_RECOGNISER,
    language: Annotated[str, typer.Option(help="Code of the language, for the recogniser; auto lets it guess.")] = "en",
    references: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Original recordings: .jsonl as for --audio, or a folder SPEAKER/*.wav."),
    ] = None,
    similarity: Annotated[
        bool, typer.Option("--similarity/--no-similarity", help="Compare speakers (needs resemblyzer).")
    ] = True,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many texts, recordings or rows.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Items at once; results do not depend on it.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Text number i has this seed + i.")] = 0,
    max_duration: Annotated[float | None, typer.Option(metavar="SECONDS", help="At most, per item.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of all stages; 0 is greedy.")] = None,
    semantic_temperature: Annotated[float | None, typer.Option(help="Of the semantic stage; wins.")] = None,
    coarse_temperature: Annotated[float | None, typer.Option(help="Of the coarse stage; wins.")] = None,
    fine_temperature: Annotated[float | None, typer.Option(help="Of the fine stage; wins.")] = None,
    min_eos_p: Annotated[float | None, typer.Option(help="Stop when the end has this probability.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier results at --output.")] = False,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:N, mps or xpu; auto takes the fastest.")
    ] = "auto",
    dtype: Annotated[Dtype | None, typer.Option(help="Number format. Default: the checkpoint's.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure words, voices and faults of what a checkpoint says, or of recordings."""
    settings = {name: value for name, value in locals().items() if name not in ("as_json", "overwrite")}
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    _check_task(texts, audio, prepared, voices, oracles, losses)
    options = {
        "max_duration_s": max_duration,
        "temperature": temperature,
        "semantic_temperature": semantic_temperature,
        "coarse_temperature": coarse_temperature,
        "fine_temperature": fine_temperature,
        "min_eos_p": min_eos_p,
    }
    keywords = generation_keywords(options, greedy=False)
    with only_our_words(), bars(is_shown() and not as_json) as report:
        from ..evaluation.clips import read_recordings, read_references, read_texts
        from ..evaluation.judging import judge
        from ..evaluation.packages import needed
        from ..evaluation.running import check_folder, evaluate_prepared, evaluate_texts, write_results

        check_folder(output, overwrite)
        needed("matplotlib.figure", "plot.png")
        judging: dict[str, Any] = {"report": report}
        if references is not None:
            judging["references"] = read_references(references)
        dataset = None if prepared is None else open_prepared(prepared, limit)
        speaker = None if audio else Speaker.check(model, device, dtype, voices)
        if texts is not None and audio:
            recordings = read_recordings(texts)[:limit]
        elif texts is not None:
            items = read_texts(texts)[:limit]
        judging["recogniser"] = load_listener(recogniser, None if language == "auto" else language)
        judging["encoder"] = load_encoder(similarity)
        speaking: dict[str, Any] = {"folder": output, "seed": seed, "batch_size": batch_size} | keywords
        if speaker is None:
            results = judge(recordings, **judging)
        elif dataset is not None:
            speaking |= {"oracles": oracles, "losses": losses}
            results = evaluate_prepared(speaker.load(), speaker.processor, dataset, **speaking, **judging)
        else:
            results = evaluate_texts(speaker.load(), speaker.processor, items, speaker.voices, **speaking, **judging)
        write_results(results, output, settings)
    _show(results, output, as_json)


def _check_task(
    texts: Path | None, audio: bool, prepared: Path | None, voices: str | None, oracles: bool, losses: bool
) -> None:
    """Refuse options that don't belong together."""
    if (texts is None) == (prepared is None):
        given = "neither" if texts is None else "both"
        raise UsageError(f"{given} LIST and --prepared given; one of them is evaluated; give LIST or --prepared FOLDER")
    if prepared is None and (oracles or losses):
        name = "--oracles" if oracles else "--losses"
        raise UsageError(f"{name} needs true tokens and codes; prepared data has them; add --prepared FOLDER")
    if prepared is not None and not (oracles or losses):
        raise UsageError("--prepared alone evaluates nothing; it is for two things; add --oracles, --losses or both")
    if voices is not None and (audio or prepared is not None):
        other = "--audio" if audio else "--prepared"
        raise UsageError(f"--voices and {other} exclude each other; nothing is spoken with them; drop one")
    if audio and prepared is not None:
        raise UsageError("--audio and --prepared exclude each other; LIST has the recordings; drop one")


def _show(results: Results, folder: Path, as_json: bool) -> None:
    if as_json:
        print_json(results.to_dict())
        return
    from rich.console import Console

    from ..evaluation.table import print_results

    print_results(results, Console(width=None if sys.stdout.isatty() else PIPE_WIDTH))
    print(f"written to {folder}: {', '.join(sorted(entry.name for entry in folder.iterdir()))}")
