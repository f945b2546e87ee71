"""The kernels' structures and functions for Python. Field for field what kernels.h says."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch

from .building import library

_Pointer, _Int = ctypes.c_void_p, ctypes.c_int64
OUTS = 16  # outputs in a block of weights, positions in a block of keys
HEAD_DIMS = (16, 32, 64, 128)
FLOAT32 = -1  # the group of a layer that is not quantised


class Linear(ctypes.Structure):
    _fields_ = (
        *((name, _Pointer) for name in ("weight", "scale", "offset", "groups", "bias")),
        *((name, _Int) for name in ("n_in", "n_out", "group")),
    )


class Norm(ctypes.Structure):
    _fields_ = (("weight", _Pointer), ("bias", _Pointer), ("eps", ctypes.c_float))


class Layer(ctypes.Structure):
    _fields_ = (("norm_1", Norm), ("norm_2", Norm), *((name, Linear) for name in ("qkv", "out", "up", "down")))


class Network(ctypes.Structure):
    _fields_ = (
        ("layers", ctypes.POINTER(Layer)),
        ("norm", Norm),
        ("head", Linear),
        *((name, _Int) for name in ("n_layers", "width", "n_heads", "head_dim")),
    )


class KeysValues(ctypes.Structure):
    _fields_ = (("keys", _Pointer), ("values", _Pointer), ("scales", _Pointer), ("n_rows", _Int), ("room", _Int))


def pointer(tensor: torch.Tensor | None) -> int | None:
    """Address of a contiguous tensor, which the caller keeps."""
    if tensor is None:
        return None
    assert tensor.is_contiguous()
    return tensor.data_ptr()


def linear(layer: Linear, x: torch.Tensor, gelu: bool = False) -> torch.Tensor:
    """float32 rows [M, n_in] -> float32 [M, n_out], through exact GELU if asked for."""
    x = x.contiguous()
    y = x.new_empty(x.shape[0], layer.n_out)
    library().bark_linear(
        ctypes.byref(layer), _Pointer(x.data_ptr()), _Pointer(y.data_ptr()), _Int(x.shape[0]), int(gelu), _threads()
    )
    return y


def write_prompt(network: Network, cache: KeysValues, layer: int, row: int, qkv: torch.Tensor) -> None:
    """Keys and values of qkv float32 [T, 3 * width] to positions 0..T - 1 of a row."""
    library().bark_write_prompt(
        ctypes.byref(network), ctypes.byref(cache), _Int(layer), _Int(row), _Pointer(pointer(qkv)), _Int(qkv.shape[0]),
        _threads(),
    )  # fmt: skip


def blocks(network: Network, cache: KeysValues | None, row: int, hidden: torch.Tensor, causal: bool) -> bool:
    """All blocks over one sequence, attention in bfloat16 by AMX.

    Args:
        cache, row: where its keys and values go, or None. With a cache the last block ends with these.
        hidden: float32 [T, width], overwritten.
        causal: position i sees positions 0..i; else every position all.

    Returns:
        whether it was done; False where it can't be: no AMX, heads of other sizes than 32 and 64.
    """
    done = library().bark_blocks(
        ctypes.byref(network), None if cache is None else ctypes.byref(cache), _Int(row), _Pointer(pointer(hidden)),
        _Int(hidden.shape[0]), int(causal), _threads(),
    )  # fmt: skip
    return bool(done)


def step(
    network: Network, cache: KeysValues, hidden: torch.Tensor, lengths: Sequence[int], outs: tuple[int, int]
) -> torch.Tensor | None:
    """One position per row: hidden float32 [R, width], overwritten.

    Args:
        lengths: positions that each row has already.
        outs: outputs of the head from..to, multiples of 16.

    Returns:
        logits float32 [R, to - from], or None for a network without a head, whose last norm's output is in `hidden`.
    """
    first, stop = outs
    logits: Any = hidden.new_empty(len(lengths), stop - first) if network.head.n_out else None
    library().bark_step(
        ctypes.byref(network), ctypes.byref(cache), _Pointer(pointer(hidden)), (_Int * len(lengths))(*lengths),
        _Int(len(lengths)), _Int(first), _Int(stop - first), _Pointer(pointer(logits)), _threads(),
    )  # fmt: skip
    return logits


def _threads() -> int:
    return torch.get_num_threads()
