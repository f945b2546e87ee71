"""`AcceleratedBarkModel`: a `BarkModel` that knows its mode, and saves and loads in it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..generation.lean_steps import LeanSteps
from ..modeling_bark import BarkModel
from ..native.building import why_not
from .graph_steps import GraphSteps, StaticStates
from .mode import Mode
from .native_steps import QuantizedSteps, run_window, runs_natively
from .prompt_attention import causal_blocks, full_blocks, has_fast_bfloat16
from .quantized_linear import QuantizedLinear, quantized_state

PARTS = ("semantic", "coarse_acoustics", "fine_acoustics")
# What each network's linears are asked for: the semantic prompt comes once per text, a coarse one every 60 steps.
USES = {"semantic": "step", "coarse_acoustics": "both", "fine_acoustics": "many"}


class AcceleratedBarkModel(BarkModel):
    """A `BarkModel` in one of the fast modes: the same `generate`.

    Attributes:
        mode: what was chosen.
    """

    mode: Mode

    @property
    def acceleration(self) -> str:
        """What was chosen, in one line; for quantised weights also why steps are not native, if they are not."""
        if self.mode.quantize is None:
            return str(self.mode)
        if runs_natively(self.semantic) and runs_natively(self.coarse_acoustics):
            return f"{self.mode}, native steps"
        reason = why_not() or "made for widths in multiples of 64 and heads of 16, 32, 64 or 128"
        return f"{self.mode}, lean steps (native ones are {reason})"

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Write a folder that `bark_hf.acceleration.load` reads; an unquantised model's is an ordinary checkpoint.

        Args:
            save_directory: the folder; made if need be.
            kwargs: of `BarkModel.save_pretrained`, for an unquantised model only.

        Raises:
            TypeError: for keywords that saving a quantised model does not have.
        """
        if self.mode.quantize is None:
            super().save_pretrained(save_directory, **kwargs)
            return
        from .folder import save

        if kwargs:
            raise TypeError(f"A quantised model is saved without {', '.join(kwargs)}: leave them out.")
        save(self, Path(save_directory))

    @classmethod
    def from_pretrained(cls, folder: Any, *args: Any, **kwargs: Any) -> Any:
        """`bark_hf.acceleration.load(folder)`; it has no other arguments."""
        from .folder import load

        return load(folder, *args, **kwargs)


def become(model: BarkModel, mode: Mode) -> AcceleratedBarkModel:
    """Give a model, whose weights are as the mode wants them, the mode's class and functions."""
    model.__class__ = AcceleratedBarkModel
    assert isinstance(model, AcceleratedBarkModel)
    model.mode = mode
    causal = (model.semantic, model.coarse_acoustics)
    if mode.device == "cpu" and (mode.quantize or mode.dtype == torch.bfloat16):
        _speed_up_on_a_cpu(model)
    if mode.cuda_graphs or mode.compile:
        for network in causal:
            states = StaticStates(capture=mode.cuda_graphs, compile=mode.compile)
            network.steps_factory = partial(GraphSteps, states=states)
    if mode.compile:
        model.fine_acoustics.compile(dynamic=False)
    return model


def _speed_up_on_a_cpu(model: AcceleratedBarkModel) -> None:
    """Native steps where the kernels fit, attention in bfloat16 where the processor has it."""
    fast = has_fast_bfloat16()
    options: dict[str, Any] = {"prompt_attention": causal_blocks} if fast else {}
    for network in (model.semantic, model.coarse_acoustics):
        if runs_natively(network):
            network.steps_factory = partial(QuantizedSteps, **options)
        elif fast:
            network.steps_factory = partial(LeanSteps, value_dtype=torch.float16, **options)
    if fast:
        model.fine_acoustics.window_attention = full_blocks
    if runs_natively(model.fine_acoustics):
        model.fine_acoustics.run_window = run_window


def quantize(model: BarkModel, kind: str) -> None:
    """Replace the linears of the three networks in place, one after the other, so that few are held twice."""
    for name in PARTS:
        network = getattr(model, name)
        for path in quantized_paths(name, network):
            layer = network.get_submodule(path)
            use = USES[name]
            own_kind = "int8" if path == "lm_head" else kind  # the head's rounding decides tokens
            network.set_submodule(path, QuantizedLinear(quantized_state(layer, own_kind, use), use))


def quantized_paths(name: str, network: nn.Module) -> list[str]:
    """Linears of a network that quantising replaces: those of its blocks, and the semantic head.

    The coarse head is used in slices and the fine heads are embeddings, so they stay.
    """
    blocks = [path for path, module in network.named_modules() if path.startswith("layers.") and _is_linear(module)]
    return [*blocks, "lm_head"] if name == "semantic" else blocks


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, (nn.Linear, QuantizedLinear))
