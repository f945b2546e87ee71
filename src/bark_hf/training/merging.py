"""Saved adapters + the checkpoint that they were trained on -> a whole checkpoint. Knows folders; knows no training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .checkpoints import RECIPE_FILE
from .lora import merge_adapter
from .saving import write_checkpoint
from .source import checkpoint_folder, load_source

PARTS = ("semantic", "coarse_acoustics", "fine_acoustics")


def merge_adapters(adapters: Sequence[str | Path], output: str | Path, model: str | None = None) -> Path:
    """Write a checkpoint with the weights of adapters added to its own, at most one adapter per stage.

    Args:
        adapters: folders that a run with `lora_rank` wrote.
        output: folder to write, which must not exist.
        model: the checkpoint; None is the one that the adapters' recipes name.

    Returns:
        `output`.

    Raises:
        ValueError: for a folder that is no adapter of the checkpoint, two of one stage, a checkpoint that nobody
            names, or an output that exists.
        OSError: if the checkpoint can't be had, or the disk refuses.
        ImportError: without `peft`.
    """
    target = Path(output).expanduser()
    if target.exists():
        raise ValueError(f"{target} exists already; a new folder is written; give another one.")
    parts = {adapter_part(adapter): adapter for adapter in adapters}
    if len(parts) < len(adapters) or not parts:
        given = ", ".join(str(adapter) for adapter in adapters) or "none"
        raise ValueError(f"one adapter per stage can be merged; given were {given}; leave some out.")
    folder = checkpoint_folder(model or trained_model(adapters))
    source = load_source(folder)
    states = {}
    for part, adapter in parts.items():
        merged = merge_adapter(getattr(source.model, part), adapter)
        states[part] = {name: tensor.detach() for name, tensor in merged.state_dict().items()}
    return write_checkpoint(folder, states, target)


def adapter_part(adapter: str | Path) -> str:
    """The part of a checkpoint that an adapter was trained on: "semantic", "coarse_acoustics" or "fine_acoustics".

    Raises:
        ValueError: if the folder is no adapter of one of our networks.
    """
    try:
        config = json.loads(Path(adapter, "adapter_config.json").read_bytes())
        trained = config["auto_mapping"]["base_model_class"]
        return next(part for part in PARTS if trained == f"Bark{part.split('_')[0].title()}Model")
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise ValueError(
            f"{adapter} is no adapter of a Bark stage (its adapter_config.json is missing or of something else); give "
            "the folder adapter/ of a run with lora_rank."
        ) from error


def trained_model(adapters: Sequence[str | Path]) -> str:
    """The checkpoint that the recipes beside the adapters name.

    Raises:
        ValueError: if they name none, or different ones.
    """
    names = set()
    for adapter in adapters:
        try:
            recipe = json.loads((Path(adapter).resolve().parent / RECIPE_FILE).read_bytes())
            names.add(str(recipe["model"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{adapter} has no {RECIPE_FILE} beside it that names its checkpoint; give it as model."
            ) from error
    if len(names) > 1:
        raise ValueError(f"the adapters were trained on {' and '.join(sorted(names))}; give one of them as model.")
    return names.pop()


__all__ = ["adapter_part", "merge_adapters", "trained_model"]
