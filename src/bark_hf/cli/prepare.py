"""`bark-hf prepare`: the options of `bark_hf.training.prepare`, a progress bar, and the table of what was refused."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from .common import JsonOption, only_our_words, print_json
from .stages import is_shown


def prepare(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Folder with metadata.csv or metadata.jsonl (audiofolder, LJSpeech), dataset folder, or Hub dataset; "
            "several are put together.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="MODEL", help="Bark checkpoint that will be trained.")
    ] = None,
    codec: Annotated[str | None, typer.Option(metavar="CODEC", help="Codec. Default: that of --model.")] = None,
    semantic_tokenizer: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Semantic tokenizer: folder, Hub name or .pth. Default: --model's."),
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Counts text tokens. Default: that of --model.")
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="Speaker where the source names none.")] = None,
    language: Annotated[str, typer.Option(help="Language where the source names none.")] = "en",
    text_column: Annotated[str | None, typer.Option(metavar="NAME", help="Default: text, transcription ...")] = None,
    audio_column: Annotated[str | None, typer.Option(metavar="NAME", help="Default: audio, file_name ...")] = None,
    speaker_column: Annotated[str | None, typer.Option(metavar="NAME", help="Default: speaker, speaker_id ...")] = None,
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Split of a dataset. Default: train.")] = None,
    config_name: Annotated[str | None, typer.Option(metavar="NAME", help="Configuration of a Hub dataset.")] = None,
    min_seconds: Annotated[float, typer.Option(help="Shorter clips are refused.")] = 0.5,
    max_seconds: Annotated[float, typer.Option(help="Longer clips are refused.")] = 15.0,
    trim: Annotated[bool, typer.Option(help="Cut silence off at both ends.")] = True,
    silence_db: Annotated[float, typer.Option(help="This far below the loudest 10 ms is silence.")] = 40.0,
    margin_seconds: Annotated[float, typer.Option(help="Silence kept at each end.")] = 0.1,
    loudness_db: Annotated[float, typer.Option(help="Root mean square that every clip gets, dBFS.")] = -23.0,
    keep_loudness: Annotated[bool, typer.Option("--keep-loudness", help="Leave every clip as loud as it is.")] = False,
    max_clipped: Annotated[float, typer.Option(help="Share of samples at full scale that is allowed.")] = 0.001,
    min_sampling_rate: Annotated[int, typer.Option(help="Lower sampling rates are refused, Hz.")] = 8000,
    min_chars_per_second: Annotated[float, typer.Option(help="Less text for the length is refused.")] = 3.0,
    max_chars_per_second: Annotated[float, typer.Option(help="More text for the length is refused.")] = 30.0,
    semantic_rate: Annotated[
        float | None, typer.Option(metavar="HZ", help="Rate of a source's own semantic tokens. Default: --model's.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one per core.")] = None,
    device: Annotated[str, typer.Option(help="Where the codec computes: auto, cpu, cuda ...")] = "cpu",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace prepared data at OUT.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Turn speech and its texts into data for `bark-hf train`.

    A run that was ended goes on where it stopped when the same command is given again.
    """
    from .loading import check_device

    device = check_device(device)
    from ..training.prepare import ClipRules, SourceOptions
    from ..training.prepare import prepare as run

    columns = SourceOptions(text_column, audio_column, speaker_column, speaker, language, split, config_name)
    rules = ClipRules(
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        trim=trim,
        silence_db=silence_db,
        margin_seconds=margin_seconds,
        loudness_db=None if keep_loudness else loudness_db,
        max_clipped=max_clipped,
        min_sampling_rate=min_sampling_rate,
        min_chars_per_second=min_chars_per_second,
        max_chars_per_second=max_chars_per_second,
        semantic_rate_hz=semantic_rate,
    )
    started = time.perf_counter()
    with only_our_words(), _bar() as progress:
        report = run(
            list(sources),
            out,
            codec=codec,
            semantic_tokenizer=semantic_tokenizer,
            model=model,
            tokenizer=tokenizer,
            columns=columns,
            rules=rules,
            workers=workers or _cores(),
            device=device,
            overwrite=overwrite,
            progress=progress,
        )
    if as_json:
        print_json(report.to_dict() | {"wall_seconds": round(time.perf_counter() - started, 1)})
    else:
        _print(report, out)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _print(report: Any, out: Path) -> None:
    from rich.console import Console

    table = report.table()
    if table.row_count:
        Console(highlight=False, markup=False).print(table)
    print(f"{report.summary()} -> {out}")
    if report.refused:
        print(f"every refused clip is in {out / 'report.json'}")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr, if somebody looks at it."""
    if not is_shown():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("clips"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("clips", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
