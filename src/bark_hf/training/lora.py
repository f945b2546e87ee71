"""Low-rank adapters on one network, by `peft`: put on, saved, merged. Knows layers' names; knows no data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

TARGETS = ("att_proj", "out_proj", "in_proj")  # every linear of attention and MLP


def peft_module() -> Any:
    """The `peft` package.

    Raises:
        ImportError: naming the extra that has it.
    """
    try:
        import peft
    except ImportError as error:
        raise ImportError("Adapters need the package peft, which is missing: pip install 'bark-hf[train]'.") from error
    return peft


def add_adapter(
    network: nn.Module, rank: int, alpha: float = 16.0, dropout: float = 0.0, targets: Sequence[str] = TARGETS
) -> Any:
    """The network with adapters, which alone are trained. It computes the same as before until they are.

    Args:
        network: `BarkSemanticModel`, `BarkCoarseModel` or `BarkFineModel`; changed in place.
        rank: of each adapter's matrices.
        alpha: adapters are scaled by alpha / rank.
        dropout: in front of adapters, while training.
        targets: ends of the names of the linear layers that get one.

    Returns:
        `peft.PeftModel`.

    Raises:
        ImportError: without `peft`.
        ValueError: for a name that no layer ends in.
    """
    peft = peft_module()
    names = {name.rsplit(".", 1)[-1] for name, part in network.named_modules() if isinstance(part, nn.Linear)}
    unknown = [target for target in targets if target.rsplit(".", 1)[-1] not in names]
    if unknown or not targets:
        raise ValueError(
            f"lora_target_modules={list(targets)} must name linear layers; {unknown[:1] or 'nothing'} is none; "
            f"there are {', '.join(sorted(names))}."
        )
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(targets))
    return peft.get_peft_model(network, config)


def merge_adapter(network: nn.Module, adapter: str | Path) -> nn.Module:
    """The network with the weights of a saved adapter added to its own.

    Args:
        network: what the adapter was trained on; changed in place.
        adapter: folder that `PeftModel.save_pretrained` wrote.

    Raises:
        ImportError: without `peft`.
        ValueError: if the folder is no adapter of this network.
    """
    peft = peft_module()
    if not Path(adapter, "adapter_config.json").is_file():
        raise ValueError(f"{adapter} has no adapter_config.json; give the folder of a saved adapter.")
    config = json.loads(Path(adapter, "adapter_config.json").read_bytes())
    trained = (config.get("auto_mapping") or {}).get("base_model_class")
    if trained != type(network).__name__:  # layers of all three networks have the same names
        raise ValueError(f"{adapter} is an adapter of {trained}, not of {type(network).__name__}; give another one.")
    try:
        return peft.PeftModel.from_pretrained(network, str(adapter)).merge_and_unload()
    except (RuntimeError, KeyError) as error:  # sizes that don't fit
        reason = " ".join(str(error).split())
        raise ValueError(f"{adapter} doesn't fit this {type(network).__name__} ({reason[:200]}).") from error


__all__ = ["TARGETS", "add_adapter", "merge_adapter"]
