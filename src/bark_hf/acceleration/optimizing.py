"""`optimize`: a finished model -> the same model, faster."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..modeling_bark import BarkModel
from .accelerated_model import PARTS, AcceleratedBarkModel, become, quantize, quantized_paths
from .mode import Mode
from .rounding import group_size

_quantize = quantize


def optimize(
    model: BarkModel,
    quantize: str | None = None,
    dtype: torch.dtype | str | None = None,
    compile: bool = False,
    cuda_graphs: bool = False,
) -> AcceleratedBarkModel:
    """Turn a model into a faster one, for the device that it is on. The model itself is changed and returned.

    Args:
        model: a loaded `BarkModel`, on its device.
        quantize: "int8" or "int4" weights in the transformers' linears, on a CPU. With None tokens stay as they are.
        dtype: of the three transformers; the codec keeps its own. Default: on a GPU bfloat16 (float16 where it lacks
            it), else as it is.
        compile: compile decode steps and fine windows; CUDA only, where the first call takes a minute or more.
        cuda_graphs: capture decode steps once and replay them; CUDA only.

    Returns:
        the model, an `AcceleratedBarkModel`; its `acceleration` says in one line what was chosen.

    Raises:
        TypeError: if `model` is no `BarkModel`.
        ValueError: for an option that is unknown or that the device can't fulfil, or a model that has been optimised,
            adapted or spread over devices.

    Example:

    ```python
    model = optimize(BarkModel.from_pretrained("suno/bark-small"), quantize="int8")
    print(model.acceleration)
    audio = model.generate(**inputs)
    ```
    """
    if not isinstance(model, BarkModel):
        raise TypeError(f"optimize needs a BarkModel, not {type(model).__name__}: load one with BarkModel.")
    if isinstance(model, AcceleratedBarkModel):
        raise ValueError(f"The model has been optimised already ({model.acceleration}): load the original again.")
    mode = Mode.choose(model.device, model.semantic.dtype, quantize, dtype, compile, cuda_graphs)
    networks = {name: getattr(model, name) for name in PARTS}
    for name, network in networks.items():
        _check_layers(name, network, mode)
    model.eval()
    for network in networks.values():
        network.to(mode.dtype)
    if mode.quantize is not None:
        _quantize(model, mode.quantize)
    return become(model, mode)


def _check_layers(name: str, network: Any, mode: Mode) -> None:
    """Refuse before anything is changed."""
    if any(hasattr(module, "_hf_hook") for module in network.modules()):
        raise ValueError(f"{name} has weights that are moved while it runs: load the model on one device first.")
    if mode.quantize is None:
        return
    for path in quantized_paths(name, network):
        layer = network.get_submodule(path)
        if type(layer) is not nn.Linear:
            raise ValueError(
                f"{name}.{path} is a {type(layer).__name__}, not a plain linear layer: merge adapters first."
            )
        if mode.quantize == "int4":
            group_size(layer.in_features)
