"""Where a module computes, also when accelerate keeps its weights elsewhere until they are needed."""

from __future__ import annotations

import torch
from torch import nn


def execution_device(module: nn.Module) -> torch.device:
    """The device that inputs of `module` belong on.

    Weights that accelerate has offloaded are on the "meta" device, and those that wait for their turn on the CPU; the
    hook on a module knows where it will run.
    """
    own = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
    if own is not None:
        return torch.device(own)
    device = next((tensor.device for tensor in module.parameters()), torch.device("cpu"))
    if device.type != "meta":
        return device
    for part in module.modules():
        hook = getattr(part, "_hf_hook", None)
        for candidate in getattr(hook, "hooks", [hook]):
            found = getattr(candidate, "execution_device", None)
            if found is not None:
                return torch.device(found)
    return device
