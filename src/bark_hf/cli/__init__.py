"""The command line, one module per command: say, voices, doctor, convert, prepare, train, evaluate, detect,
bench."""

from __future__ import annotations

import signal
import sys
from importlib.metadata import version
from io import TextIOWrapper
from types import FrameType
from typing import Annotated, NoReturn

import typer

from . import bench, convert, detect, doctor, evaluate, prepare, say, train, voices
from .common import TERMINATED, CommandLine

app = typer.Typer(
    name="bark-hf",
    cls=CommandLine,
    add_completion=False,
    rich_markup_mode=None,  # its boxes cut the names of options at 80 columns
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"bark-hf {version('bark-hf')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Bark: text to speech, music and sounds."""
    if context.invoked_subcommand is None:
        print(context.get_help())


for _module in (say, doctor, convert, prepare, evaluate, bench, detect):
    app.command()(vars(_module)[_module.__name__.rpartition(".")[2]])
app.command()(detect.train_detector)
app.add_typer(voices.voices)
app.add_typer(train.train)


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    sys.exit(TERMINATED)


def main() -> None:
    """Run the command line of this process; leaves with the command's exit code."""
    signal.signal(signal.SIGTERM, _terminate)  # as an exception, so that unfinished files are removed
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path that a pipe's encoding lacks is no reason to fail
    app()


__all__ = ["app", "main"]
