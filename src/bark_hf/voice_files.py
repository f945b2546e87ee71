"""A voice's arrays on disk: one `.npz` file, or three `.npy` files as on the Hub.

Knows file names, and how to read files from strangers: sizes are limited, pickled content is never loaded. Must not
know which arrays make a valid voice (that is in `voices`) or where a checkpoint keeps its voices (`voice_library`).
"""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

PROMPT_NAMES = ("semantic_prompt", "coarse_prompt", "fine_prompt")
MAX_PROMPT_BYTES = 64 * 1024**2  # one stored array; three hours of fine codes as int64 are 52 MB
_NPY_SUFFIX = "_semantic_prompt.npy"  # what the first of a voice's three `.npy` files ends in


def read_voice(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    """A voice's name and its three arrays, of whatever shape and type they are.

    Args:
        path: a `.npz` file, `FOLDER/NAME` of three `.npy` files, or a folder with exactly one such set.

    Raises:
        FileNotFoundError: if there is nothing at `path`, or one of three `.npy` files is missing.
        ValueError: if a file is too big, damaged, pickled or something else; the message names it.
    """
    if path.suffix == ".npz":
        return path.stem, _read_npz(path)
    prefix = _npy_prefix(path)
    return prefix.name, {part: read_npy(prefix.with_name(f"{prefix.name}_{part}.npy")) for part in PROMPT_NAMES}


def read_npy(path: Path) -> np.ndarray:
    """One prompt's `.npy` file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is too big, damaged, pickled or something else.
    """
    with _opened(path) as file:
        return _read_array(file, path.stat().st_size, path.name)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a voice's three arrays to a `.npz` file that appears complete or not at all; an existing one is replaced.

    Raises:
        ValueError: if the path does not end in `.npz`.
        FileNotFoundError: if the folder does not exist.
    """
    if path.suffix != ".npz":
        raise ValueError(f"A voice is saved as .npz, but the path is {path}: use {path.name}.npz.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {path.parent} for {path.name} does not exist: create it first.")
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            np.savez(
                file,
                semantic_prompt=arrays["semantic_prompt"],
                coarse_prompt=arrays["coarse_prompt"],
                fine_prompt=arrays["fine_prompt"],
            )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    """A voice's three arrays; like Suno's code it leaves other arrays in the file alone."""
    with _opened(path) as file, zipfile.ZipFile(file) as archive:
        arrays = {}
        for part in PROMPT_NAMES:
            try:
                info = archive.getinfo(f"{part}.npy")
            except KeyError:
                raise ValueError(f"it has no array {part}") from None
            with archive.open(info) as member:
                arrays[part] = _read_array(member, info.file_size, part)
        return arrays


def _read_array(file: IO[bytes], n_bytes: int, label: str) -> np.ndarray:
    if n_bytes > MAX_PROMPT_BYTES:
        raise ValueError(f"{label} has {n_bytes} bytes, the limit is {MAX_PROMPT_BYTES}")
    return np.lib.format.read_array(file, allow_pickle=False)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A voice's file for reading, with whatever its content makes fail as one error that names the file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no voice file {path}: check the path. A preset's name goes to the processor, as voice_preset."
        ) from None
    with file:
        try:
            yield file
        except Exception as error:  # zipfile, zlib and NumPy's header parser raise a dozen kinds on damaged files
            raise ValueError(
                f"{path} cannot be read as a voice: {error}. It must hold plain integer arrays semantic_prompt [S], "
                "coarse_prompt [2, T] and fine_prompt [8, T], no pickled objects: get the file again, or save it with "
                "VoicePrompt.save."
            ) from error


def _npy_prefix(path: Path) -> Path:
    """FOLDER/NAME of the set FOLDER/NAME_*_prompt.npy that is meant by FOLDER/NAME or by FOLDER."""
    if path.with_name(path.name + _NPY_SUFFIX).is_file():
        return path
    if path.is_file():
        raise ValueError(
            f"{path} is not a voice file: give a .npz file, or for three .npy files the path up to {_NPY_SUFFIX}."
        )
    found = sorted(path.glob(f"*{_NPY_SUFFIX}")) if path.is_dir() else []
    names = [file.name.removesuffix(_NPY_SUFFIX) for file in found]
    if len(names) > 1:
        raise ValueError(
            f"The folder {path} holds {len(names)} voices ({', '.join(names[:3])}, ...): name one of them, like "
            f"{path / names[0]}."
        )
    if not names:
        raise FileNotFoundError(
            f"There is no voice at {path}: neither a .npz file, nor {path.name}{_NPY_SUFFIX}, nor a folder with such a "
            "file. Check the path. A preset's name goes to the processor, as voice_preset."
        )
    return path / names[0]


__all__ = ["MAX_PROMPT_BYTES", "PROMPT_NAMES", "read_npy", "read_voice", "write_npz"]
