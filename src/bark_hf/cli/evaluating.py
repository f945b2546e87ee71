"""What `bark-hf evaluate` works with: who speaks, who listens, what is prepared, and the bars on the terminal.

Each is checked or loaded on its own, so that the command can refuse early; every fault is one line with a remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import CliError, UsageError
from .loading import Dtype, check_device, check_model, load_model, load_processor, load_voice

if TYPE_CHECKING:
    from ..modeling_bark import BarkModel
    from ..processing_bark import BarkProcessor
    from ..voices import VoicePrompt

NO_VOICE, EVERY_VOICE = "none", "all"  # in --voices
NOBODY = "none"  # in --recogniser


@dataclass(frozen=True)
class Speaker:
    """A checked checkpoint and the voices that it speaks with.

    Attributes:
        model: folder or name on the Hub.
        device, dtype: for `load`.
        processor: of the checkpoint.
        voices: name -> voice, or None for no voice.
    """

    model: str
    device: str
    dtype: Dtype | None
    processor: BarkProcessor
    voices: dict[str, VoicePrompt | None]

    @classmethod
    def check(cls, model: str, device: str, dtype: Dtype | None, voices: str | None) -> Speaker:
        """Refuse what can't be had, without reading weights."""
        checked, where = check_model(model), check_device(device)
        processor = load_processor(checked)
        return cls(checked, where, dtype, processor, choose_voices(processor, voices, checked))

    def load(self) -> BarkModel:
        """The model with its weights."""
        return load_model(self.model, self.device, self.dtype, None)


def choose_voices(processor: BarkProcessor, names: str | None, model: str) -> dict[str, VoicePrompt | None]:
    """What --voices names: presets, .npz files (called by their file's name), all presets, none.

    Raises:
        UsageError: for no name at all.
        CliError: for an unknown name, with the nearest ones.
    """
    wanted = [name.strip() for name in (NO_VOICE if names is None else names).split(",") if name.strip()]
    if EVERY_VOICE in wanted:
        wanted = processor.available_voice_presets + [name for name in wanted if name != EVERY_VOICE]
    if not wanted:
        raise UsageError(f"--voices {names!r} names no voice; at least one is needed; give presets, all or none")
    return {
        Path(name).stem if name.endswith(".npz") else name: None
        if name == NO_VOICE
        else load_voice(processor, name, model)
        for name in wanted
    }


def open_prepared(path: Path, limit: int | None) -> Any:
    """A prepared dataset, or its first `limit` rows.

    Raises:
        CliError: without the packages that read it.
        ValueError: for a folder that is none.
    """
    try:
        from ..training.dataset import load_prepared
    except ImportError as error:
        raise CliError(f'--prepared needs a package that is missing ({error}); pip install "bark-hf[train]"') from error
    dataset = load_prepared(path)
    return dataset if limit is None else dataset.select(range(min(limit, len(dataset))))


def load_listener(name: str, language: str | None) -> Any:
    """The recogniser that --recogniser names, or None."""
    from ..evaluation.packages import needed
    from ..evaluation.recognisers import load_recogniser

    if name == NOBODY:
        return None
    needed("jiwer", "an error rate")
    return load_recogniser(name, language)


def load_encoder(wanted: bool) -> Any:
    """The speaker encoder, or None."""
    from ..evaluation.speakers import ResemblyzerEncoder

    return ResemblyzerEncoder() if wanted else None


@contextmanager
def bars(show: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A callback report(what, done, total) that draws a bar per kind of work on stderr; they vanish at the end."""
    if not show:
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    tasks: dict[str, Any] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = drawn.add_task(what, total=total)
            drawn.update(tasks[what], completed=done)

        yield report
