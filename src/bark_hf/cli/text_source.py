"""What `bark-hf say` is to say: from the command line, a file or standard input. Knows bytes and text; no tokens."""

from __future__ import annotations

import sys
from pathlib import Path

from .common import CliError, UsageError

MAX_TEXT_BYTES = 1_000_000
STDIN = "-"


def read_text(text: str | None, file: Path | None) -> str:
    """The text from the one source that is given.

    Raises:
        UsageError: for no source or two, or an empty TEXT.
        CliError: for a file or standard input without readable text.
    """
    if (text is None) == (file is None):
        given = "neither" if text is None else "both"
        raise UsageError(f"{given} TEXT and --file given; one text is spoken; give TEXT, - (standard input) or --file")
    if file is not None:
        return read_file(file, "--file")
    if text == STDIN:
        return _decoded(sys.stdin.buffer.read(MAX_TEXT_BYTES + 1), "standard input")
    if not str(text).strip():
        raise UsageError("TEXT is empty; there is nothing to say; give some words")
    return str(text)


def read_file(file: Path, option: str) -> str:
    """The text of a file that an option names.

    Raises:
        CliError: for a file without readable text.
    """
    source = f"{option} {file}"
    if file.is_dir():
        raise CliError(f"{source} is a folder; it must be a text file; name a file in it")
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise CliError(f"{source} can't be read ({error.strerror}); check the path") from error
    return _decoded(content, source)


def _decoded(content: bytes, source: str) -> str:
    if len(content) > MAX_TEXT_BYTES:
        raise CliError(f"{source} has more than {MAX_TEXT_BYTES:,} bytes; that is a day of speech; split the text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CliError(
            f"{source} is not UTF-8 text ({error.reason} at byte {error.start}); convert it to UTF-8"
        ) from error
    if "\0" in text:
        raise CliError(f"{source} is not text (it has zero bytes); it must be UTF-8 text; give another file")
    if not text.strip():
        raise CliError(f"{source} is empty; there is nothing to say; give some words")
    return text.strip()
