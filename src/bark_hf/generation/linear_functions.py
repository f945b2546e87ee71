"""Modules as plain functions, and the matrix product that is fastest on this CPU.

Knows `nn.Linear` and `nn.LayerNorm`; anything else (an adapter, a quantised layer, a module with hooks) is called as it
is. Must not know networks.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

Function = Callable[[torch.Tensor], torch.Tensor]


@functools.cache
def onednn_is_faster() -> bool:
    """Whether float32 products are to go to oneDNN.

    On processors that are not Intel's, MKL, which PyTorch calls by default, does without AVX-512: a third to a half of
    oneDNN's speed. The choice depends on the processor alone, so that a machine's results never vary.
    """
    if platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.is_available():
        return False
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    cpuinfo = Path("/proc/cpuinfo")
    name = cpuinfo.read_text(encoding="utf-8", errors="replace")[:4096] if cpuinfo.is_file() else platform.processor()
    return "GenuineIntel" not in name


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`F.linear` without gradients: x [..., I], weight [O, I] -> [..., O], by the faster library."""
    if x.dtype == torch.float32 and x.device.type == "cpu" and onednn_is_faster() and not torch.is_grad_enabled():
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return nn.functional.linear(x, weight, bias)


def has_hooks(module: nn.Module) -> bool:
    """Whether somebody wants to see, move or change what goes through this module."""
    replaced = "forward" in vars(module) or getattr(module, "_compiled_call_impl", None) is not None
    return bool(replaced or module._forward_hooks or module._forward_pre_hooks or hasattr(module, "_hf_hook"))


def is_plain(module: Any, kind: type[nn.Module]) -> bool:
    """Whether a module is exactly of a kind, with nothing attached and nothing in place of its weights."""
    return type(module) is kind and not has_hooks(module) and not getattr(module, "parametrizations", None)


def as_function(module: Any) -> Function:
    """A module as a function of one tensor, free of the overhead of a module's call where that changes nothing."""
    if is_plain(module, nn.Linear):
        return functools.partial(linear, weight=module.weight, bias=module.bias)
    if is_plain(module, nn.LayerNorm):
        shape, weight, bias, eps = module.normalized_shape, module.weight, module.bias, module.eps
        return lambda x: torch.layer_norm(x, shape, weight, bias, eps, False)
    return module


def through_gelu(module: Any) -> Function:
    """A linear layer and exact GELU behind it as one function; a layer may bring its own (`through_gelu`)."""
    own = getattr(module, "through_gelu", None)
    if own is not None and not has_hooks(module):
        return own
    function = as_function(module)
    return lambda x: nn.functional.gelu(function(x))
