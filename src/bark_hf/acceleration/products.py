"""Matrix products with quantised weights by PyTorch's own CPU kernels. Rows in, rows out; knows no layers.

Every row of a product is scaled by its own peak, so it is the same to the last bit in whatever company it comes.
"""

from __future__ import annotations

import warnings
from typing import Protocol

import torch

from .rounding import unpack_int4

STEP_ENGINE, MANY_ENGINE = "x86", "onednn"  # the faster one for a few rows (FBGEMM), and for hundreds


class Product(Protocol):
    """float32 rows [M, I] -> float32 [M, O]."""

    def __call__(self, rows: torch.Tensor) -> torch.Tensor: ...

    def state(self) -> dict[str, torch.Tensor]:
        """What to save."""


class Int8Product:
    """int8 weights with a scale per output; rows are rounded to 8 bits, each by its own peak.

    PyTorch's kernel takes one scale for all rows. So rows are divided by their peaks first, and one more row, which
    holds 1 and -1, makes that scale always the same.

    Args:
        weight: int8 [O, I].
        scale: float32 [O].
        engine: "x86" or "onednn".

    Raises:
        ValueError: if this PyTorch lacks the engine.
    """

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor, engine: str):
        if engine not in torch.backends.quantized.supported_engines:
            there = ", ".join(torch.backends.quantized.supported_engines)
            raise ValueError(
                f"int8 needs the engine {engine!r}, which this PyTorch ({there}) lacks: use an x86 machine, or "
                "dtype=torch.bfloat16."
            )
        self._packed = _pack(weight, scale, engine)
        self._guard = torch.zeros(weight.shape[1])
        self._guard[:2] = torch.tensor([1.0, -1.0])
        self._reduce_range = not torch.cpu._is_vnni_supported()  # without VNNI sums of 8-bit products overflow

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        n_rows, n_in = rows.shape
        peaks = rows.abs().amax(-1, keepdim=True).clamp_min_(1e-30)
        scaled = rows.new_empty(n_rows + 1, n_in)
        torch.div(rows, peaks, out=scaled[:n_rows])
        scaled[n_rows] = self._guard
        return torch.ops.quantized.linear_dynamic(scaled, self._packed, self._reduce_range)[:n_rows].mul_(peaks)

    def state(self) -> dict[str, torch.Tensor]:
        weight = torch.ops.quantized.linear_unpack(self._packed)[0]
        return {"weight_int8": weight.int_repr(), "scale": weight.q_per_channel_scales().float()}


def _pack(weight: torch.Tensor, scale: torch.Tensor, engine: str) -> object:
    before = torch.backends.quantized.engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch announces another way to make such tensors
        quantized = torch._make_per_channel_quantized_tensor(
            weight, scale.double(), torch.zeros(scale.shape, dtype=torch.long), 0
        )
        torch.backends.quantized.engine = engine  # says which library packs; running needs no engine
        try:
            return torch.ops.quantized.linear_prepack(quantized, None)
        finally:
            torch.backends.quantized.engine = before


class Int4Product:
    """int4 weights in groups; rows are rounded to bfloat16.

    Args:
        pairs, scales: of `to_int4`.
    """

    def __init__(self, pairs: torch.Tensor, scales: torch.Tensor):
        self._pairs, self._scales = pairs, scales
        self._group = pairs.shape[1] * 2 // scales.shape[0]
        self._packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(unpack_int4(pairs), 1)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.ops.aten._weight_int4pack_mm_for_cpu(
            rows.bfloat16(), self._packed, self._group, self._scales
        ).float()

    def state(self) -> dict[str, torch.Tensor]:
        return {"weight_int4": self._pairs, "scale_int4": self._scales}
