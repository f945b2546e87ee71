"""Suno's three `.pt` files: which ones, their sizes, their tensors.

Knows Suno's file names, the dictionary inside a file and `model_args`; knows no network class and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError

from ..configuration_bark import BarkCoarseConfig, BarkFineConfig, BarkSemanticConfig, BarkSubModelConfig
from .checkpoint_files import as_state, load_torch_file, require_file
from .errors import ConversionError, listed
from .mapping import Shapes, State, map_state
from .names import CAUSAL, COMPILED_PREFIX, FINE, NameTable

FILE_NAMES: Mapping[str, Mapping[str, str]] = {
    "small": {"semantic": "text.pt", "coarse_acoustics": "coarse.pt", "fine_acoustics": "fine.pt"},
    "large": {"semantic": "text_2.pt", "coarse_acoustics": "coarse_2.pt", "fine_acoustics": "fine_2.pt"},
}
"""Size -> part of the model -> file name."""

CONFIG_CLASSES: Mapping[str, type[BarkSubModelConfig]] = {
    "semantic": BarkSemanticConfig,
    "coarse_acoustics": BarkCoarseConfig,
    "fine_acoustics": BarkFineConfig,
}
TABLES: Mapping[str, NameTable] = {"semantic": CAUSAL, "coarse_acoustics": CAUSAL, "fine_acoustics": FINE}

CONFIG_NAMES: Mapping[str, str] = {
    "n_layer": "num_layers",
    "n_head": "num_heads",
    "n_embd": "hidden_size",
    "block_size": "block_size",
    "dropout": "dropout",
    "bias": "bias",
    "input_vocab_size": "input_vocab_size",
    "output_vocab_size": "output_vocab_size",
}
"""`model_args` of Suno's file -> field of our configuration."""
FINE_CONFIG_NAMES: Mapping[str, str] = {
    **CONFIG_NAMES,
    "n_codes_total": "n_codes_total",
    "n_codes_given": "n_codes_given",
}


@dataclass(frozen=True)
class SunoPart:
    """One of Suno's files, read and not yet renamed.

    Attributes:
        part: "semantic", "coarse_acoustics" or "fine_acoustics".
        path: the file.
        config: sizes, checked.
        tensors: the tensors by Suno's names, memory-mapped.
    """

    part: str
    path: Path
    config: BarkSubModelConfig
    tensors: dict[str, torch.Tensor]

    def state(self, shapes: Shapes) -> State:
        """The tensors by Transformers' names.

        Args:
            shapes: every name of this part's network, with its shape.

        Raises:
            ConversionError: see `map_state`; also if a head of the fine network isn't equal to its embedding.
        """
        state = map_state(self.tensors, TABLES[self.part], shapes, self.path, COMPILED_PREFIX)
        if self.part == "fine_acoustics":
            _check_tied_heads(state, self.path)
        return state


def choose_size(folder: Path, size: str | None) -> str:
    """The size to convert.

    Args:
        folder: holds Suno's files.
        size: "small", "large", or None for the one whose three files are there.

    Raises:
        ConversionError: if `folder` isn't one, no set is complete, or two are and `size` is None.
    """
    if not folder.is_dir():
        raise ConversionError(f"{folder} is not a folder: give the one that holds Suno's .pt files.")
    if size is not None:
        if size not in FILE_NAMES:
            raise ConversionError(f"size {size!r} is unknown: use {' or '.join(map(repr, FILE_NAMES))}.")
        return size
    missing = {name: [f for f in files.values() if not (folder / f).is_file()] for name, files in FILE_NAMES.items()}
    complete = [name for name, files in missing.items() if not files]
    if len(complete) > 1:
        raise ConversionError(f"{folder} holds the files of both sizes: choose one with --size small or --size large.")
    if not complete:
        wanted = "; ".join(f"{name}: {', '.join(files)}" for name, files in missing.items())
        raise ConversionError(f"{folder} holds no complete set of Suno's files. Missing for {wanted}.")
    return complete[0]


def read_suno(folder: Path, size: str) -> list[SunoPart]:
    """Read the three files of one size, in the route's order.

    Raises:
        ConversionError: for a missing or unreadable file or a configuration that isn't one.
    """
    paths = {part: require_file(folder / name, f"Suno's {name}") for part, name in FILE_NAMES[size].items()}
    return [read_part(part, path) for part, path in paths.items()]


def read_part(part: str, path: Path) -> SunoPart:
    """Read one of Suno's files."""
    checkpoint = load_torch_file(path)
    if not isinstance(checkpoint, dict) or not {"model", "model_args"} <= checkpoint.keys():
        raise ConversionError(
            f"{path}: not one of Suno's checkpoints, which have the entries 'model' and 'model_args'."
        )
    return SunoPart(part, path, read_config(part, checkpoint["model_args"], path), as_state(checkpoint["model"], path))


def read_config(part: str, model_args: Any, path: Path) -> BarkSubModelConfig:
    """`model_args` as a configuration.

    Older files have one `vocab_size` for `input_vocab_size` and `output_vocab_size`. What a file leaves out has
    the configuration's default, which is Suno's.

    Raises:
        ConversionError: for an unknown or missing entry or a value that can't be.
    """
    if not isinstance(model_args, dict):
        raise ConversionError(f"{path}: 'model_args' is {type(model_args).__name__}, not a dictionary.")
    args = {name: value.item() if isinstance(value, np.generic) else value for name, value in model_args.items()}
    if "input_vocab_size" not in args and "vocab_size" in args:
        args["input_vocab_size"] = args["output_vocab_size"] = args.pop("vocab_size")
    names = FINE_CONFIG_NAMES if part == "fine_acoustics" else CONFIG_NAMES
    if unknown := [str(name) for name in args if name not in names]:
        raise ConversionError(f"{path}: unknown entries in 'model_args' of the {part} file: {listed(unknown)}.")
    if missing := [name for name in ("input_vocab_size", "output_vocab_size") if name not in args]:
        raise ConversionError(f"{path}: 'model_args' lacks {listed(missing)}.")
    try:
        return CONFIG_CLASSES[part](**{names[name]: value for name, value in args.items()})
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise ConversionError(f"{path}: 'model_args': {error.__cause__ or error}") from None


def _check_tied_heads(state: State, path: Path) -> None:
    """Raise unless head i of the fine network equals the embedding of codebook i + 1."""
    heads = [name for name in state if name.startswith("lm_heads.")]
    untied = [name for name in heads if not torch.equal(state[name], state[_tied_embedding(name)])]
    if untied:
        raise ConversionError(
            f"{path}: {len(untied)} of {len(heads)} heads differ from the embedding they share their weight with: "
            f"{listed(untied)}. Bark's fine network ties head i to embedding i + 1; this one was trained otherwise."
        )


def _tied_embedding(head: str) -> str:
    """`lm_heads.3.weight` -> `input_embeds_layers.4.weight`."""
    return f"input_embeds_layers.{int(head.split('.')[1]) + 1}.weight"
