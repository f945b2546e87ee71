"""Float weights -> few bits and scales, and back: pure functions of tensors, rounding to nearest."""

from __future__ import annotations

import torch

GROUP_SIZES = (64, 32)  # neighbouring input weights that share an int4 scale


def to_int8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[O, I] -> int8 [O, I] in -127..127 and float32 scales [O]: weight is about ints * scale."""
    weight = weight.float()
    scale = (weight.abs().amax(dim=1) / 127).clamp_min(1e-12)
    return (weight / scale[:, None]).round().to(torch.int8), scale


def group_size(in_features: int) -> int:
    """The largest group size that divides a layer's inputs.

    Raises:
        ValueError: if none does.
    """
    for size in GROUP_SIZES:
        if in_features % size == 0:
            return size
    raise ValueError(
        f"int4 needs layers whose inputs are a multiple of {GROUP_SIZES[-1]}, not {in_features}: use int8."
    )


def to_int4(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[O, I] -> pairs uint8 [O, I / 2] (even inputs in the high bits); scale and middle bfloat16 [I / group, O, 2].

    A weight is about (int - 8) * scale + middle, as PyTorch's int4 kernels read it. Of each group the range is
    shrunk by the factor that leaves the smallest squared error.
    """
    groups = weight.float().unflatten(1, (-1, group_size(weight.shape[1])))  # [O, G, group]
    low, high = groups.amin(dim=2, keepdim=True), groups.amax(dim=2, keepdim=True)
    best_error = torch.full_like(low, torch.inf)
    best = torch.zeros_like(groups), torch.ones_like(low), torch.zeros_like(low)
    for shrink in (1.0, 0.95, 0.9, 0.85, 0.8):
        scale = ((high - low) * (shrink / 15)).clamp_min(1e-12).bfloat16().float()
        middle = (low * shrink + 8 * scale + (1 - shrink) * (low + high) / 2).bfloat16().float()
        ints = ((groups - middle) / scale + 8).round().clamp(0, 15)
        error = ((ints - 8) * scale + middle - groups).square().sum(dim=2, keepdim=True)
        better = error < best_error
        best_error = torch.where(better, error, best_error)
        best = tuple(torch.where(better, new, old) for new, old in zip((ints, scale, middle), best, strict=True))
    ints, scale, middle = best[0].flatten(1).to(torch.uint8), best[1], best[2]
    scales = torch.cat([scale, middle], dim=2).transpose(0, 1).bfloat16().contiguous()
    return ints[:, ::2] << 4 | ints[:, 1::2], scales


def unpack_int4(pairs: torch.Tensor) -> torch.Tensor:
    """uint8 [O, I / 2] -> int32 [O, I] in 0..15."""
    return torch.stack([pairs >> 4, pairs & 15], dim=2).flatten(1).int()


def from_int4(pairs: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """float32 [O, I] of what `to_int4` gives."""
    scale, middle = scales.float().transpose(0, 1).unbind(2)  # [O, G] each
    ints = unpack_int4(pairs).unflatten(1, (scale.shape[1], -1))
    return ((ints - 8) * scale[:, :, None] + middle[:, :, None]).flatten(1)
