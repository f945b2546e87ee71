"""A linear layer's weights in the kernels' layout: one copy for decode steps and for prompts."""

from __future__ import annotations

import torch

from ..native.interface import OUTS, Linear, linear, pointer
from ..native.memory import Arena
from .rounding import unpack_int4

_ARENA = Arena()
INS = 64  # inputs come in multiples of this many: a row of an AMX tile


class NativeProduct:
    """int8 weights with a scale per output, or int4 weights in groups. Rows are rounded to 8 bits by their own peaks.

    Args:
        n_in, n_out: inputs, a multiple of `INS`, and outputs; these are padded to a multiple of 16.
        tensors: what the kernels read, by the names of their structure.
    """

    def __init__(self, n_in: int, n_out: int, group: int, bias: torch.Tensor | None, **tensors: torch.Tensor):
        self.n_in, self.n_out = n_in, n_out
        self.bias = None if bias is None else _padded(bias.float(), 0)
        self._group, self._tensors = group, {name: _ARENA.keep(tensor) for name, tensor in tensors.items()}
        self._scales = torch.empty(0)  # int4: as they are saved

    @property
    def struct(self) -> Linear:
        """The layer as the kernels see it; valid while this object lives."""
        padded = -(-self.n_out // OUTS) * OUTS
        fields = {name: pointer(tensor) for name, tensor in self._tensors.items()}
        return Linear(bias=pointer(self.bias), n_in=self.n_in, n_out=padded, group=self._group, **fields)

    @classmethod
    def int8(cls, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None = None) -> NativeProduct:
        """Of int8 [O, I] and float32 [O]."""
        n_out, n_in = weight.shape
        padded = _padded(weight, 0)
        return cls(
            n_in, n_out, 0, bias,
            weight=_blocks(padded),
            scale=_padded(scale.float(), 0),
            offset=torch.cat([rows.sum(1, dtype=torch.int32).mul_(128) for rows in padded.split(128)]),
        )  # fmt: skip

    @classmethod
    def int4(cls, pairs: torch.Tensor, scales: torch.Tensor, bias: torch.Tensor | None = None) -> NativeProduct:
        """Of uint8 [O, I / 2] and bfloat16 [I / group, O, 2] as `rounding.to_int4` gives them."""
        n_out, n_in = pairs.shape[0], pairs.shape[1] * 2
        ints = _blocks(_padded(unpack_int4(pairs).to(torch.uint8), 0))
        scale, middle = scales.float().unbind(2)  # [G, O] each
        groups = torch.stack([scale, middle - 8 * scale])  # weight = uint * scale + middle - 8 * scale
        groups = _padded(groups.permute(2, 1, 0), 0)  # [O, G, 2]
        groups = groups.unflatten(0, (-1, OUTS)).permute(0, 2, 3, 1)  # [O / 16, G, 2, 16]
        product = cls(
            n_in, n_out, n_in // scales.shape[0], bias,
            weight=ints[:, ::2] | ints[:, 1::2] << 4,  # of every byte the low half, then the high one
            groups=groups.half(),
        )  # fmt: skip
        product._scales = scales
        return product

    def __call__(self, rows: torch.Tensor, gelu: bool = False) -> torch.Tensor:
        """float32 [M, I] -> float32 [M, O]."""
        return linear(self.struct, rows, gelu)[:, : self.n_out]

    def state(self) -> dict[str, torch.Tensor]:
        """The tensors that it was made of, except for the bias."""
        weight = self._tensors["weight"]
        if not self._group:
            scale = self._tensors["scale"][: self.n_out].clone()
            return {"weight_int8": _rows(weight)[: self.n_out].view(torch.int8), "scale": scale}
        low = 0x0F0F0F0F
        ints = _rows(torch.stack([weight & low, weight >> 4 & low], dim=2).flatten(1, 2))[: self.n_out]
        return {"weight_int4": ints[:, ::2] << 4 | ints[:, 1::2], "scale_int4": self._scales.clone()}


def _blocks(weight: torch.Tensor) -> torch.Tensor:
    """Bytes [O, I] -> int32 [O / 16, I / 4, 16], four inputs in each; a view, so that copying it is all the work."""
    return weight.view(torch.int32).unflatten(0, (-1, OUTS)).transpose(1, 2)


def _rows(blocks: torch.Tensor) -> torch.Tensor:
    """int32 [O / 16, I / 4, 16] -> bytes uint8 [O, I]."""
    return blocks.transpose(1, 2).flatten(0, 1).contiguous().view(torch.uint8)


def _padded(tensor: torch.Tensor, dim: int) -> torch.Tensor:
    """Zeros behind the outputs, up to a multiple of 16."""
    missing = -tensor.shape[dim] % OUTS
    if not missing:
        return tensor.contiguous()
    shape = list(tensor.shape)
    shape[dim] = missing
    return torch.cat([tensor, tensor.new_zeros(shape)], dim).contiguous()
