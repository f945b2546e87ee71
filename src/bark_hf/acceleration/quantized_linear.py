"""A linear layer with quantised weights: one product for decode steps, one for prompts and windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..native.building import why_not
from .native_product import INS, NativeProduct
from .products import MANY_ENGINE, STEP_ENGINE, Int4Product, Int8Product
from .rounding import to_int4, to_int8

USES = ("step", "many", "both")


class QuantizedLinear(nn.Module):
    """Stands in for an `nn.Linear` on the CPU; no gradients.

    `step_product` or `many_product` is used depending on the length of a sequence, never on the number of sequences: so
    an item's result does not depend on the batch that it is in.

    Args:
        state: of `quantized_state`, or of a saved layer: weight_int8, scale, weight_int4, scale_int4, bias.
        use: what the layer will be asked for: "step" [R, 1, I], "many" [R, T, I], or "both". Anything works, but what
            was not named is slower, and only what was named is held twice.
    """

    def __init__(self, state: Mapping[str, torch.Tensor], use: str):
        super().__init__()
        self.use = use
        weight, per_byte = (state["weight_int8"], 1) if "weight_int8" in state else (state["weight_int4"], 2)
        self.in_features: int = weight.shape[1] * per_byte
        self.out_features: int = weight.shape[0]
        self.bias = None if state.get("bias") is None else nn.Parameter(state["bias"].float(), requires_grad=False)
        native = why_not() is None and self.in_features % INS == 0
        self.step_product, self.many_product = (self._native if native else self._of_pytorch)(state, use)

    def _native(self, state: Mapping[str, torch.Tensor], use: str) -> tuple[Any, Any]:
        """One product for all, except where int4 is beside int8."""
        bias = None if self.bias is None else self.bias.data
        int8 = NativeProduct.int8(state["weight_int8"], state["scale"], bias) if "weight_int8" in state else None
        int4 = NativeProduct.int4(state["weight_int4"], state["scale_int4"], bias) if "weight_int4" in state else None
        return int4 or int8, int8 or int4

    def _of_pytorch(self, state: Mapping[str, torch.Tensor], use: str) -> tuple[Any, Any]:
        step: Any = None
        many: Any = None
        if "weight_int8" in state and use != "step":
            many = Int8Product(state["weight_int8"], state["scale"], MANY_ENGINE)
        if "weight_int4" in state:
            step = Int4Product(state["weight_int4"], state["scale_int4"])
        elif use != "many":
            step = Int8Product(state["weight_int8"], state["scale"], STEP_ENGINE)
        return step or many, many or step

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., I] -> [..., O]."""
        return self._run(x, gelu=False)

    @torch.no_grad()
    def through_gelu(self, x: torch.Tensor) -> torch.Tensor:
        """As `forward`, with exact GELU behind it."""
        return self._run(x, gelu=True)

    def _run(self, x: torch.Tensor, gelu: bool) -> torch.Tensor:
        product = self.step_product if x.ndim > 1 and x.shape[-2] == 1 else self.many_product
        if isinstance(product, NativeProduct):
            output = product(x.reshape(-1, self.in_features).float(), gelu)
        else:
            # One sequence at a time: the last bits of oneDNN's results depend on the number of rows.
            parts = x.float().flatten(0, -3) if x.ndim > 2 and x.shape[-2] > 1 else [x.float()]
            output = torch.cat([product(part.reshape(-1, self.in_features)) for part in parts])
            if self.bias is not None:
                output += self.bias
            output = nn.functional.gelu(output) if gelu else output
        return output.reshape(*x.shape[:-1], self.out_features).to(x.dtype)

    def state(self) -> dict[str, torch.Tensor]:
        """Tensors from which an equal layer can be made."""
        bias = {} if self.bias is None else {"bias": self.bias.data}
        return self.many_product.state() | self.step_product.state() | bias

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination.update({prefix + name: tensor for name, tensor in self.state().items()})

    def _apply(self, fn: Any, recurse: bool = True) -> QuantizedLinear:
        if fn(torch.empty(0)).device.type != "cpu":
            raise ValueError("A quantised model is for the CPU: load the original again and move that.")
        return self  # float32 between products, whatever the rest is cast to

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, {', '.join(self.state())}, use={self.use!r}"


def quantized_state(layer: nn.Linear, quantize: str, use: str) -> dict[str, torch.Tensor]:
    """The tensors of a `QuantizedLinear` for a float layer.

    Args:
        quantize: "int8" or "int4"; int4 is for steps, and where prompts are frequent they get int8 beside it.
        use: see `QuantizedLinear`.
    """
    weight = layer.weight.detach()
    state: dict[str, torch.Tensor] = {}
    if quantize == "int4" and use != "many":
        state["weight_int4"], state["scale_int4"] = to_int4(weight)
    if quantize == "int8" or use != "step":
        state["weight_int8"], state["scale"] = to_int8(weight)
    if layer.bias is not None:
        state["bias"] = layer.bias.detach()
    return state
