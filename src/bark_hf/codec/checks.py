"""What every codec refuses to decode. Knows shapes and limits; knows no codec."""

from __future__ import annotations

import torch


def check_codes(codes: torch.Tensor, books: int, codebook_size: int) -> None:
    """Refuse what `decode` can't look up.

    Args:
        codes: what should be int64 [1, B, 1..books, T] with values in 0..codebook_size - 1.

    Raises:
        ValueError: for another shape or dtype, too many books, or values outside the codebooks.
    """
    if codes.ndim != 4 or codes.shape[0] != 1 or codes.is_floating_point() or codes.dtype == torch.bool:
        raise ValueError(
            f"audio_codes must be integers [1, batch, books, frames], not {codes.dtype} of shape {tuple(codes.shape)}."
        )
    if not 1 <= codes.shape[2] <= books:
        raise ValueError(f"audio_codes have {codes.shape[2]} books; this codec decodes 1..{books}.")
    if codes.numel():
        low, high = (int(value) for value in codes.aminmax())
        if low < 0 or high >= codebook_size:
            raise ValueError(
                f"audio_codes hold values {low}..{high}; allowed are 0..{codebook_size - 1} (codebook_size - 1)."
            )


__all__ = ["check_codes"]
