"""Put a finished folder in its place, whole or not at all.

Knows folders; knows no model. Everything is written into a hidden folder beside the output, which is renamed at the
end, so no other program ever sees half a checkpoint.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from .checkpoint_files import load_json
from .errors import ConversionError


def check_output(output: Path, overwrite: bool, inputs: Iterable[Path]) -> None:
    """Check that `output` may be written.

    Args:
        output: the folder to write.
        overwrite: replace a checkpoint that is there.
        inputs: files and folders that are read, and must outlive the conversion.

    Raises:
        ConversionError: if `output` is a file, a non-empty folder without leave to overwrite it, a folder that isn't
            a Bark checkpoint, or one that holds an input.
    """
    if output.exists() and not output.is_dir():
        raise ConversionError(f"{output} is a file, but a folder is to be written: choose another --output.")
    for source in inputs:
        if source.resolve().is_relative_to(output):
            raise ConversionError(f"{output} holds the input {source}: choose another --output.")
    if not output.is_dir() or not any(output.iterdir()):
        return
    if not overwrite:
        raise ConversionError(f"{output} exists and is not empty: choose another --output or give --overwrite.")
    if not _is_bark_folder(output):
        raise ConversionError(
            f"{output} is not a Bark checkpoint, so --overwrite leaves it alone: remove it or choose another --output."
        )


def _is_bark_folder(folder: Path) -> bool:
    """Whether `folder` has the config.json of a Bark model."""
    try:
        return load_json(folder / "config.json").get("model_type") == "bark"
    except ConversionError:
        return False


def check_space(output: Path, needed: int) -> None:
    """Raise a ConversionError unless the disk of `output` has room for `needed` bytes."""
    existing = next(folder for folder in (output, *output.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise ConversionError(
            f"{existing} has {free / 1e9:.1f} GB free and {needed / 1e9:.1f} GB are needed: make room, choose another "
            "--output, or --dtype float16 or bfloat16."
        )


@contextmanager
def staged(output: Path) -> Iterator[Path]:
    """A new folder beside `output` that takes its place when the block ends well, and vanishes otherwise.

    Args:
        output: where the folder goes; what is there is replaced.

    Yields:
        The folder to write into.

    Raises:
        ConversionError: if the disk refuses.
    """
    folder = _sibling(output, "partial")
    try:
        folder.mkdir(parents=True)
        yield folder
        _put_in_place(folder, output)
    except (OSError, SafetensorError) as error:
        raise ConversionError(f"{output} can't be written ({error}). Nothing was left behind.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(folder: Path, output: Path) -> None:
    """Rename `folder` to `output`; what was there comes back if that fails."""
    if not output.exists():
        folder.rename(output)
        return
    old = _sibling(output, "replaced")
    output.rename(old)
    try:
        folder.rename(output)
    except OSError:
        old.rename(output)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sibling(output: Path, purpose: str) -> Path:
    """An unused hidden name beside `output`, on the same disk."""
    return output.with_name(f".{output.name}.{purpose}-{uuid.uuid4().hex[:8]}")
