"""Apply a name table to a state dict, strict both ways.

Knows tensors and tables; knows no file format, no network and no Bark. The file's path only appears in errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path

import torch

from .errors import ConversionError, listed
from .names import NameTable

State = dict[str, torch.Tensor]
Shapes = Mapping[str, torch.Size]

_FIELD = re.compile(r"\{([^{}]*)\}")
_DROPPED = ""


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    """A table's pattern as a regular expression with one group per field."""
    literals_and_fields = _FIELD.split(pattern)
    groups = {"": r"(\d+)", "*": "(.+)"}
    parts = [
        re.escape(part) if i % 2 == 0 else groups.get(part, f"({part})") for i, part in enumerate(literals_and_fields)
    ]
    return re.compile("".join(parts))


def new_name(name: str, table: NameTable) -> str | None:
    """What `table` makes of `name`: the new name, "" if the name is known and dropped, None if it is unknown."""
    for pattern, new in table.items():
        if match := _regex(pattern).fullmatch(name):
            return _DROPPED if new is None else new.format(*match.groups())
    return None


def map_state(
    state: Mapping[str, torch.Tensor], table: NameTable, shapes: Shapes, path: Path, prefix: str = ""
) -> State:
    """Rename the tensors of one file.

    Args:
        state: tensors by the source's names.
        table: see `names`.
        shapes: every name that the network has, with its shape.
        path: the file, for errors.
        prefix: taken off names that start with it.

    Returns:
        The same tensors by the network's names: exactly the keys of `shapes`.

    Raises:
        ConversionError: for a name the table or the network doesn't know, a name met twice, a name of the network
            that stays empty, a wrong shape, a non-float type, or a value that is NaN or infinite.
    """
    mapped: State = {}
    unexpected, twice = [], []
    for name, tensor in state.items():
        target = new_name(name.removeprefix(prefix), table)
        if target == _DROPPED:
            continue
        if target is None or target not in shapes:
            unexpected.append(name)
        elif target in mapped:
            twice.append(name)
        else:
            mapped[target] = tensor
    _refuse(unexpected, "unexpected tensor names", path)
    _refuse(twice, "repeated tensor names", path)
    _refuse(shapes.keys() - mapped.keys(), "missing tensor names (as Transformers calls them)", path)
    _check_tensors(mapped, shapes, path)
    return mapped


def _refuse(names: Collection[str], fault: str, path: Path) -> None:
    """Raise if there are `names` with this fault."""
    if names:
        raise ConversionError(
            f"{path}: {len(names)} {fault}: {listed(names)}. "
            "Is this the file for this part, of this size, and complete?"
        )


def _check_tensors(state: State, shapes: Shapes, path: Path) -> None:
    """Shapes, types and values."""
    wrong = [f"{k} {list(v.shape)} instead of {list(shapes[k])}" for k, v in state.items() if v.shape != shapes[k]]
    if wrong:
        raise ConversionError(
            f"{path}: {len(wrong)} tensors of another shape than the configuration says: {listed(wrong)}. "
            "Are both from the same model?"
        )
    _check_each(state, lambda t: t.is_floating_point(), "of integers, where floats are needed", path)
    _check_each(state, lambda t: bool(t.isfinite().all()), "with NaN or infinite values", path)


def _check_each(state: State, accept: Callable[[torch.Tensor], bool], fault: str, path: Path) -> None:
    """Raise unless `accept` holds for every tensor."""
    bad = [name for name, tensor in state.items() if not accept(tensor)]
    if bad:
        raise ConversionError(
            f"{path}: {len(bad)} tensors {fault}: {listed(bad)}. "
            "The file is damaged or from a failed training: get another copy."
        )
