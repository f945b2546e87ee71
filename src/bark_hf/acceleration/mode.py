"""What a model is to be turned into, checked against what the device can do. Knows no weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

QUANTIZATIONS = ("int8", "int4")


@dataclass(frozen=True)
class Mode:
    """One way to run a model.

    Attributes:
        device: "cpu", "cuda", ...: the kind of device that it is for.
        quantize: None, "int8" or "int4": weights of the transformers' linears.
        dtype: of everything else in the three transformers; the codec always keeps its own.
        compile: whether fine windows and decode steps are compiled.
        cuda_graphs: whether decode steps are captured once and replayed.
    """

    device: str
    quantize: str | None
    dtype: torch.dtype
    compile: bool = False
    cuda_graphs: bool = False

    def __str__(self) -> str:
        name = str(self.dtype).removeprefix("torch.")
        parts = [f"{self.quantize} weights, {name} activations" if self.quantize else f"{name} weights"]
        if self.device == "cpu" and not self.quantize:
            parts.append("lean decode steps")
        if self.compile:
            parts.append("compiled steps and fine windows")
        if self.cuda_graphs:
            parts.append("decode steps as CUDA graphs")
        return f"{self.device}: {', '.join(parts)}"

    @classmethod
    def choose(
        cls, device: torch.device, present: torch.dtype, quantize: Any, dtype: Any, compile: bool, cuda_graphs: bool
    ) -> Mode:
        """The mode of these wishes.

        Args:
            device: where the model is.
            present: the transformers' dtype now.
            quantize, dtype, compile, cuda_graphs: see `optimize`.

        Raises:
            ValueError: for a wish that is unknown, or that this device can't fulfil.
        """
        kind = device.type
        if quantize is not None and quantize not in QUANTIZATIONS:
            raise ValueError(f"quantize={quantize!r} is unknown: it is one of {', '.join(QUANTIZATIONS)}, or None.")
        if quantize is not None and kind != "cpu":
            raise ValueError(
                f"quantize={quantize!r} has kernels for the CPU only, and the model is on {device}: leave it out and "
                "take dtype=torch.bfloat16, or move the model to the CPU."
            )
        for name, wish in (("compile", compile), ("cuda_graphs", cuda_graphs)):
            if wish and kind != "cuda":
                raise ValueError(f"{name}=True needs a CUDA device, and the model is on {device}: leave it out.")
        return cls(kind, quantize, _dtype(kind, present, quantize, dtype), bool(compile), bool(cuda_graphs))


def _dtype(kind: str, present: torch.dtype, quantize: str | None, wish: Any) -> torch.dtype:
    if isinstance(wish, str):
        wish = getattr(torch, wish, wish)
    if wish is not None and wish not in (torch.float32, torch.float16, torch.bfloat16):
        raise ValueError(f"dtype={wish!r} is no number format of a model: take float32, float16 or bfloat16.")
    if quantize is not None:
        if wish not in (None, torch.float32):
            raise ValueError(f"quantize={quantize!r} computes in float32 between its products: leave out dtype={wish}.")
        return torch.float32
    if kind == "cpu":
        if (wish or present) == torch.float16:
            raise ValueError("float16 is slow on a CPU: take dtype=torch.bfloat16 or torch.float32.")
        return wish or present
    if wish is not None:
        return wish
    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if kind == "xpu" else torch.float16
