"""Read tensors from `.pt`, `.th`, `.bin` and `.safetensors` files without running anything they contain.

Knows file formats and torch's restricted unpickler; knows no network and no weight name.
"""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from .errors import ConversionError

# A training loss stored as a NumPy number needs these, and no more. The function's module changed its name in NumPy 2,
# and files carry the name of the version that wrote them, so both spellings are allowed.
_rebuild_scalar = np.float64(0).__reduce__()[0]
ALLOWED_GLOBALS: list[Any] = [
    (_rebuild_scalar, "numpy.core.multiarray.scalar"),
    (_rebuild_scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Float16DType,
    np.dtypes.Float32DType,
    np.dtypes.Float64DType,
]


def require_file(path: Path, what: str) -> Path:
    """`path` if it is a file.

    Raises:
        ConversionError: naming `what` is missing and where it was looked for.
    """
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "doesn't exist"
        raise ConversionError(f"{path} {kind}, but {what} is needed: check the path.")
    return path


def load_torch_file(path: Path) -> Any:
    """What `torch.save` wrote: tensors, numbers, strings and containers of them, nothing else.

    Tensors stay on disk until they are read (memory-mapped) if the file allows it.

    Raises:
        ConversionError: for a file that is cut short, isn't a torch file, or holds other Python objects. Code in such
            a file is not run.
    """
    with warnings.catch_warnings(), torch.serialization.safe_globals(ALLOWED_GLOBALS):
        warnings.simplefilter("ignore")  # of a damaged file torch complains in several voices; one error is enough
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except Exception as error:  # damaged bytes make torch raise a dozen kinds, AssertionError among them
            raise _unreadable(path, str(error)) from None


def _unreadable(path: Path, reason: str) -> ConversionError:
    """The error for a file that torch can't or may not read."""
    if refused := re.search(r"GLOBAL ([\w.]+)", reason):
        return ConversionError(
            f"{path}: refused, because it holds the Python object {refused[1]} and only tensors and numbers are "
            "allowed. Nothing in it was run; get the file from its original source."
        )
    return ConversionError(
        f"{path}: not a readable torch file ({path.stat().st_size:,} bytes): it is cut short, damaged or of another "
        "kind. Download it again."
    )


def as_state(value: Any, path: Path) -> dict[str, torch.Tensor]:
    """`value` if it is a dictionary of tensors by name.

    Raises:
        ConversionError: if it is something else.
    """
    if not isinstance(value, dict) or not value:
        raise ConversionError(f"{path}: a dictionary of tensors is needed, not {type(value).__name__}.")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ConversionError(f"{path}: entry {name!r} is {type(tensor).__name__}, not a tensor.")
    return value


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a `.safetensors` file, or of a torch file that holds a bare state dict.

    Raises:
        ConversionError: for a file that can't be read or holds something else.
    """
    if path.suffix != ".safetensors":
        return as_state(load_torch_file(path), path)
    try:
        return load_file(path)
    except Exception as error:  # of damaged bytes; safetensors has kinds of its own
        raise ConversionError(f"{path}: not a readable safetensors file ({error}). Download it again.") from None


def load_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        ConversionError: if it can't be read or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConversionError(f"{path}: not readable JSON ({error}).") from None
    if not isinstance(value, dict):
        raise ConversionError(f"{path}: a JSON object is needed, not {type(value).__name__}.")
    return value
