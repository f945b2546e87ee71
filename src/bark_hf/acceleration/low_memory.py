"""Less memory: a stage is on the device only while it works, and the codec's encoder is dropped.

Knows when a stage begins: its network, embedding or decoder is called. Works in any order of calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import nn

from ..modeling_bark import BarkModel
from .accelerated_model import PARTS

STAGES = (*PARTS, "codec_model")


class StageMover:
    """Keeps at most one stage on the device; the others wait in main memory.

    Args:
        stages: name -> module.
        device: where they work.
        move: module, device -> None.
    """

    def __init__(
        self,
        stages: dict[str, nn.Module],
        device: torch.device,
        move: Callable[[nn.Module, torch.device], Any] = nn.Module.to,
    ):
        self.stages, self.device, self._move = stages, device, move
        self.present: str | None = None
        for stage in stages.values():
            move(stage, torch.device("cpu"))

    def bring(self, name: str) -> None:
        """Put a stage on the device, and the one that was there back."""
        if self.present == name:
            return
        if self.present is not None:
            self._move(self.stages[self.present], torch.device("cpu"))
        self._move(self.stages[name], self.device)
        self.present = name


class BringStage(ModelHook):
    """Brings a stage before a module of it is called, and its inputs with it."""

    def __init__(self, mover: StageMover, name: str):
        self._mover, self._name = mover, name
        self.execution_device = mover.device  # where inputs belong, wherever the weights are at the moment

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple, dict]:
        self._mover.bring(self._name)
        return tuple(map(self._here, args)), {key: self._here(value) for key, value in kwargs.items()}

    def _here(self, value: Any) -> Any:
        return value.to(self._mover.device) if isinstance(value, torch.Tensor) else value


class DroppedEncoder(nn.Module):
    """Where a codec's encoder was."""

    def forward(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("low_memory has dropped the codec's encoder: to encode sounds, load the model without it.")


def low_memory(model: BarkModel, device: torch.device | str | None = None) -> BarkModel:
    """Change a model so that it needs little memory on its device. The model itself is changed and returned.

    On a GPU only one stage is there at a time; the codec's encoder, which no generation needs, goes in any case. What
    is generated stays the same.

    Args:
        model: a loaded model, on the CPU or on a device with room for it.
        device: where stages work; default: where the model is.

    Raises:
        ValueError: for a model whose stages are moved already, or one that `optimize` has tied to its device.
    """
    place = torch.device(model.device if device is None else device)
    if any(hasattr(getattr(model, name), "_hf_hook") for name in STAGES):
        raise ValueError("The model's weights are moved while it runs already: load it again on one device.")
    if hasattr(model.codec_model, "encoder"):
        model.codec_model.encoder = DroppedEncoder()
    if place.type == "cpu":
        model.to(place)
        return model
    mode = getattr(model, "mode", None)
    if mode is not None and (mode.quantize or mode.compile or mode.cuda_graphs):
        raise ValueError(f"low_memory can't move a model that is tied to its device ({mode}): optimise dtype only.")
    attach(model, StageMover({name: getattr(model, name) for name in STAGES}, place))
    return model


def attach(model: BarkModel, mover: StageMover) -> None:
    """Let calls of the stages' modules bring them."""
    for name, stage in mover.stages.items():
        add_hook_to_module(stage, BringStage(mover, name))
    for name in ("semantic", "coarse_acoustics"):  # their prompts are embedded before the network is called
        add_hook_to_module(getattr(model, name).input_embeds_layer, BringStage(mover, name))
    codec: Any = model.codec_model
    decode = codec.decode

    def bring_and_decode(*args: Any, **kwargs: Any) -> Any:
        mover.bring("codec_model")
        return decode(*args, **kwargs)

    codec.decode = bring_and_decode
