"""What all commands share: exit codes, errors of one line, warnings of one line, silent libraries.

Knows the terminal; knows no model. Imports nothing heavy.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

DEFAULT_MODEL = "demo"  # in the package: needs no download
BARK_MODEL = "suno/bark-small"  # what the messages recommend for more

FAILED, MISUSED, INTERRUPTED, TERMINATED = 1, 2, 130, 143  # exit codes
DEBUG_VARIABLE = "BARK_HF_DEBUG"

ModelOption = Annotated[
    str, typer.Option("--model", "-m", metavar="MODEL", help="Folder of a checkpoint, its name on the Hub, or demo.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


class CliError(Exception):
    """Something that the user can mend: "what; limit; remedy" in one line."""

    exit_code = FAILED


class UsageError(CliError):
    """A command line that can't be right, whatever files and machine there are."""

    exit_code = MISUSED


class CommandLine(TyperGroup):
    """A group of commands whose errors are one line on stderr, and whose exit codes are those of this module."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run and exit."""
        kwargs["standalone_mode"] = False  # or click would print its own errors
        try:
            code = super().main(*args, **kwargs)
        except typer.Abort:
            code = INTERRUPTED
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE) == "1":
                traceback.print_exc()
            code = report(error)
        if code == INTERRUPTED:
            say_error("interrupted")
        sys.exit(code if isinstance(code, int) else 0)


def report(error: Exception) -> int:
    """Print an error as one line and give its exit code."""
    if hasattr(error, "format_message"):  # click's errors; typer has a copy of click, so their class is not one
        say_error(f"{error.format_message().rstrip('.')}; {_command_path(error)} --help lists what is allowed")
    else:
        say_error(explain(error))
    return getattr(error, "exit_code", FAILED)


def explain(error: Exception) -> str:
    """An error's text for the user; a kind that nobody foresaw says so."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # the latter is torch's
        return f"out of memory ({error or 'none left'}); try --dtype bfloat16, a smaller model or --max-duration"
    text = str(error) or type(error).__name__
    if isinstance(error, (CliError, ValueError, OSError, ImportError)):
        return text
    return f"{type(error).__name__}: {text}; this is unexpected; {DEBUG_VARIABLE}=1 shows where it happened"


def _command_path(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "bark-hf"


def say_error(text: str) -> None:
    """One line on stderr."""
    _stderr("error", text)


def say_warning(text: str) -> None:
    """One line on stderr."""
    _stderr("warning", text)


def say_note(text: str) -> None:
    """One line on stderr."""
    _stderr("note", text)


def _stderr(kind: str, text: str) -> None:
    print(f"{kind}: {' '.join(text.split())}", file=sys.stderr, flush=True)


def print_json(content: dict[str, Any]) -> None:
    """One object on stdout, in characters that every terminal and pipe takes."""
    print(json.dumps(content, indent=2))


@contextmanager
def only_our_words() -> Iterator[None]:
    """Keep libraries silent, and show warnings meant for the user as lines of ours."""
    import huggingface_hub.utils.logging as hub_logging
    import transformers.utils.logging as transformers_logging

    verbosity = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            transformers_logging.disable_progress_bar()
            warnings.filterwarnings("always", category=UserWarning, module=r"bark_hf\.")
            warnings.showwarning = lambda message, *rest, **more: say_warning(str(message))
            yield
    finally:
        transformers_logging.set_verbosity(verbosity[0])
        hub_logging.set_verbosity(verbosity[1])
        if bars:
            transformers_logging.enable_progress_bar()
