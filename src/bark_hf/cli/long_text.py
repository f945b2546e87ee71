"""`bark-hf say` for long texts and dialogues: load, read in pieces, join, write. Knows the order of the work."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import CliError, UsageError, say_note, say_warning
from .cuts import warn_of_cuts
from .destination import Destination
from .fast import Speed
from .loading import (
    Attention,
    Dtype,
    check_device,
    import_networks,
    load_model,
    load_processor,
    load_voice,
)
from .long_options import LongOptions
from .long_summary import LongStatistics
from .sound_stream import NO_SOUND, send
from .stages import StageClock

if TYPE_CHECKING:
    from ..audio import Clipping
    from ..longform import LongResult


def speak_long(
    text: str,
    destination: Destination,
    keywords: dict[str, Any],
    options: LongOptions,
    *,
    model: str,
    source: str,
    voice: str | None,
    device: str,
    dtype: Dtype | None,
    attention: Attention | None,
    speed: Speed,
    show: bool,
) -> LongStatistics:
    """Read a text or script in pieces and write the joined sound.

    Args:
        text: the text, or the script if `options.script` is given.
        destination: where to, already checked.
        keywords: of `BarkModel.generate`.
        options: already checked.
        model, voice, device, dtype, attention, speed: as the user gave them.
        source: where the model is, see `check_model`.
        show: whether to show progress.
    """
    from ..longform import read_long, read_script, stream, stream_script
    from ..longform.script import parse_script
    from ..longform.splitting import check_words

    cast = options.voices()
    if options.script is None:  # faults of the text need no model
        check_words(text)
    else:
        parse_script(text, cast)
    device = check_device(device)
    scorer = _scorer(options, device)
    import_networks()
    started = time.perf_counter()
    processor = load_processor(source)
    voices = {name: load_voice(processor, given, model) for name, given in cast.items()}
    prompt = load_voice(processor, voice, model)
    network = speed.load(load_model, source, device, dtype, attention)
    load_seconds = time.perf_counter() - started

    given: dict[str, Any] = {**keywords, **options.keywords(), "scorer": scorer}
    with _folder(options, destination) as folder, StageClock(False) as clock, _bar(show) as bar:
        given |= {"folder": folder, "report": bar, "progress": clock}
        asked: Any = (network, processor, text, prompt if options.script is None else voices)
        first = None
        if destination.stream is None:
            began = (read_long if options.script is None else read_script)(*asked, **given)
            result = _retaken(began, options.retake)
            clock.close()
            _warn_of_silence(result)
            clipping = _write(result, destination)
        else:
            with destination.writer(network.sampling_rate) as writer:
                given["progress"] = writer.watching(clock)
                sound = (stream if options.script is None else stream_script)(*asked, **given)
                clipping = send(sound, writer)
                clock.close()  # a player may take longer
            began = result = sound.result
            first = round(sound.first_sound_seconds or 0.0, 4)
            _warn_of_silence(result)
        _warn_of_clipping(clipping, result)
        stage = network.generation_config.semantic_config
        warn_of_cuts(stage, [record.n_tokens for record in result.records], in_pieces=True)
        if destination.voice is not None:
            result.segments[0].voice.save(destination.voice)
        return LongStatistics.of(
            result,
            network,
            clock.seconds,
            made={*began.made, *options.retake},
            resumed=len(began) - len(began.made),
            load_seconds=load_seconds,
            model=model,
            voice=cast or voice,
            output=str(destination.sound),
            folder=None if options.resume_to is None else str(options.resume_to),
            save_voice=None if destination.voice is None else str(destination.voice),
            first_sound_seconds=first,
        )


def _scorer(options: LongOptions, device: str) -> Any:
    if options.check_with is None:
        return None
    from ..evaluation.listening import WordErrorScorer
    from ..evaluation.recognisers import load_recogniser

    return WordErrorScorer(load_recogniser(options.check_with, options.language, device))


@contextmanager
def _folder(options: LongOptions, destination: Destination) -> Iterator[Path]:
    """Where the pieces are kept: in --resume-to; else beside the output until it is written."""
    if options.resume_to is not None:
        yield options.resume_to
        return
    if destination.is_stdout or destination.stream is not None:
        with tempfile.TemporaryDirectory(prefix="bark-hf-") as scratch:
            yield Path(scratch)
        return
    folder = destination.sound.with_name(f"{destination.sound.name}.pieces")
    if folder.exists():
        say_note(f"going on with the pieces in {folder}")
    try:
        yield folder
    except BaseException:
        if any(folder.glob("pieces/*.json")):
            say_note(f"the finished pieces are in {folder}; the same command goes on with them")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _retaken(result: LongResult, pieces: list[int]) -> LongResult:
    for piece in pieces:
        if not 0 <= piece < len(result):
            raise UsageError(f"--retake {piece} is no piece; there are 0 to {len(result) - 1}; see --json")
    for piece in dict.fromkeys(pieces):
        result = result.retake(piece)
    return result


def _warn_of_silence(result: LongResult) -> None:
    """Name the pieces without sound.

    Raises:
        CliError: if there are no others.
    """
    silent = [segment for segment in result.segments if not segment.record.samples]
    if len(silent) == len(result):
        raise CliError(NO_SOUND)
    for segment in silent:
        say_warning(
            f"piece {segment.index} ({segment.text[:40]!r}) has no sound: the model ended at once, several times"
        )


def _write(result: LongResult, destination: Destination) -> Clipping:
    if not destination.is_stdout:
        return result.save(destination.sound)
    with tempfile.TemporaryDirectory(prefix="bark-hf-") as folder:
        wav = Path(folder, "sound.wav")
        clipping = result.save(wav)
        with wav.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return clipping


def _warn_of_clipping(clipping: Clipping, result: LongResult) -> None:
    if clipping.samples:
        say_warning(
            f"{clipping.samples} of {result.samples} samples were beyond -1..1, up to {clipping.peak:.2f}; they were "
            "clipped"
        )


@contextmanager
def _bar(show: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A callback that moves a bar over pieces on stderr, or does nothing."""
    if not show:
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("pieces", total=None)
        yield lambda what, done, total: bars.update(task, completed=done, total=total)
