"""`--fast` and `--low-memory`: what they mean on each device. Knows the options; the modes are in `acceleration`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from .common import UsageError, say_note
from .loading import Attention, Dtype

if TYPE_CHECKING:
    from ..modeling_bark import BarkModel

FastOption = Annotated[
    bool, typer.Option("--fast", help="Faster, nearly the same: int8 on a CPU, half precision on a GPU.")
]
LowMemoryOption = Annotated[
    bool, typer.Option("--low-memory", help="One stage at a time on the GPU; no parts that only encoding needs.")
]


@dataclass(frozen=True)
class Speed:
    """What was asked for.

    Attributes:
        fast: the fastest mode of the device.
        low_memory: little memory on the device.
    """

    fast: bool = False
    low_memory: bool = False

    def load(
        self,
        load_model: Callable[..., BarkModel],
        model: str,
        device: str,
        dtype: Dtype | None,
        attention: Attention | None,
    ) -> BarkModel:
        """The model in this mode; one note says what was chosen.

        Args:
            load_model: `loading.load_model`.
            model, device, dtype, attention: its arguments.

        Raises:
            UsageError: for options that exclude each other.
        """
        if self.fast and attention is not None:
            raise UsageError("--fast and --attn-implementation exclude each other; --fast chooses; drop one")
        if not (self.fast or self.low_memory):
            return load_model(model, device, dtype, attention)
        from ..acceleration import AcceleratedBarkModel, low_memory

        if self.low_memory and device != "cpu":
            half = Dtype.bfloat16 if self.fast and dtype is None else dtype
            say_note(f"{device}: {half.value if half else 'weights as they are'}, one stage at a time")
            return low_memory(load_model(model, "cpu", half, attention), device)
        network = load_model(model, device, dtype, attention)
        if self.fast and not isinstance(network, AcceleratedBarkModel):
            network = _optimized(network, dtype)
        if isinstance(network, AcceleratedBarkModel):
            say_note(network.acceleration)
        return low_memory(network) if self.low_memory else network


def _optimized(network: BarkModel, dtype: Dtype | None) -> BarkModel:
    from ..acceleration import optimize

    kind = network.device.type
    if kind == "cpu" and dtype is None:
        return optimize(network, quantize="int8")
    return optimize(network, dtype=None if dtype is None else dtype.value, cuda_graphs=kind == "cuda")
