"""The command line of a conversion: arguments in, a summary or one line of error out.

Knows arguments and exit codes; the work is `convert`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from transformers.utils import logging as transformers_logging

from .errors import ConversionError
from .model_folder import DTYPES
from .pipeline import convert
from .suno import FILE_NAMES

FAILED, MISUSED, INTERRUPTED, TERMINATED = 1, 2, 130, 143  # exit codes


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        self.exit(MISUSED, f"error: {message} (--help lists the options)\n")


def build_parser() -> argparse.ArgumentParser:
    """The options, named as the arguments of `convert`."""
    parser = _Parser(
        prog="convert_checkpoints.py",
        description="Turn Suno's Bark checkpoints (.pt) and an EnCodec into one folder in the Hub's layout.",
    )
    parser.add_argument("--suno-dir", required=True, metavar="DIR", help="folder with Suno's .pt files")
    parser.add_argument(
        "--codec", required=True, metavar="PATH", help="Meta's encodec_24khz*.th, or a Transformers EnCodec folder"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--size", choices=list(FILE_NAMES), help="default: the one whose files are there")
    parser.add_argument("--tokenizer", metavar="DIR", help="folder with bert-base-multilingual-cased's tokenizer")
    parser.add_argument("--voices", metavar="DIR", help="folder with NAME.npz and v2/NAME.npz")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32", help="number format (default: float32)")
    parser.add_argument("--overwrite", action="store_true", help="replace a Bark checkpoint at --output")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a conversion.

    Args:
        argv: arguments, default those of the process.

    Returns:
        0, or 1 after an error, 130 after Ctrl-C. Wrong usage exits with 2, as argparse does.
    """
    options = vars(build_parser().parse_args(argv))
    transformers_logging.disable_progress_bar()
    try:
        with _clean_up_on_sigterm():
            report = convert(**options, on_step=lambda step: print(f"{step} ...", file=sys.stderr, flush=True))
    except ConversionError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except Exception as error:  # a defect or a broken machine; `convert` shows where, the command says what
        print(f"error: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("error: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    print(report)
    return 0


@contextmanager
def _clean_up_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the process as an exception does, so that the unfinished folder is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(signum: int, frame: FrameType | None) -> NoReturn:
        sys.exit(TERMINATED)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
