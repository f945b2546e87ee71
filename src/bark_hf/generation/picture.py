"""A result as one picture: waveform, spectrogram and the tokens of the stages over the same seconds.

Knows matplotlib (imported when it is needed) and the fields of `BarkOutput`; knows no file and no stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .output import BarkOutput

_WINDOW_S, _HOP_S = 0.04, 0.01  # of the spectrogram
_RANGE_DB = 80.0  # below the loudest point


def draw_items(output: BarkOutput, items: Sequence[int]) -> Figure:
    """One column per item, one row per representation, all rows over seconds.

    Raises:
        ImportError: without matplotlib.
    """
    pyplot = _pyplot()
    figure = pyplot.figure(figsize=(max(7.0, 5.0 * len(items)), 8.5), layout="constrained")
    axes = figure.subplots(4, len(items), squeeze=False, sharex="col", height_ratios=[1.0, 1.6, 1.2, 1.2])
    for column, item in zip(axes.T, items, strict=True):
        _draw_item(column, output, item)
    if figure.canvas.required_interactive_framework is None:  # no window: the figure itself is what is shown
        pyplot.close(figure)
    return figure


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(f'plot() needs matplotlib ({error}): pip install "bark-hf[train]", or matplotlib.') from None
    return pyplot


def _draw_item(axes: Sequence[Any], output: BarkOutput, item: int) -> None:
    config = output.generation_config
    audio = output.waveform(item).float().cpu()
    semantic = output.semantic_tokens[item, : int(output.semantic_lengths[item])].cpu().numpy()
    codes = output.fine_codes[item, :, : int(output.code_lengths[item])].cpu().numpy()  # [K, T]
    seconds = audio.shape[0] / output.sampling_rate
    axes[0].set_title(f"item {item}: {seconds:.2f} s, seed {output.seeds[item]}")
    _draw_waveform(axes[0], audio, output.sampling_rate)
    _draw_spectrogram(axes[1], audio, output.sampling_rate)

    rate = config.semantic_config.semantic_rate_hz
    axes[2].plot(np.arange(semantic.shape[0]) / rate, semantic, ".", markersize=3, color="#3b6ea5")
    axes[2].set_ylim(
        -0.02 * config.semantic_config.semantic_vocab_size, 1.02 * config.semantic_config.semantic_vocab_size
    )
    axes[2].set_ylabel(f"semantic token\n({semantic.shape[0]} at {rate:g} Hz)")

    rate, n_codebooks = config.coarse_acoustics_config.coarse_rate_hz, codes.shape[0]
    n_coarse = output.coarse_codes.shape[1]
    if codes.size:
        extent = (0, codes.shape[1] / rate, n_codebooks + 0.5, 0.5)
        axes[3].imshow(
            codes,
            aspect="auto",
            extent=extent,
            cmap="viridis",
            vmin=0,
            vmax=config.codebook_size - 1,
            interpolation="none",
        )
        axes[3].axhline(n_coarse + 0.5, color="white", linewidth=1.5)
    axes[3].set_yticks(range(1, n_codebooks + 1))
    axes[3].set_ylabel(f"codebook\n({codes.shape[1]} frames at {rate:g} Hz)")
    axes[3].set_xlabel(f"seconds (codes above the line: coarse, 1..{n_coarse})")
    axes[3].set_xlim(0, max(seconds, _WINDOW_S))


def _draw_waveform(axes: Any, audio: torch.Tensor, rate: int) -> None:
    axes.plot(np.arange(audio.shape[0]) / rate, audio.numpy(), linewidth=0.4, color="#3b6ea5")
    axes.set_ylabel("amplitude")
    reach = max(0.05, 1.05 * float(audio.abs().amax())) if audio.numel() else 1.0
    axes.set_ylim(-reach, reach)


def _draw_spectrogram(axes: Any, audio: torch.Tensor, rate: int) -> None:
    axes.set_ylabel("kHz")
    axes.set_ylim(0, rate / 2000)
    size, hop = round(_WINDOW_S * rate), round(_HOP_S * rate)
    if audio.shape[0] < size:
        return
    frames = torch.stft(audio, size, hop, window=torch.hann_window(size), return_complex=True, pad_mode="constant")
    level = 20 * frames.abs().clamp(min=1e-10).log10()  # [size // 2 + 1, frames], dB
    top = float(level.amax())
    # The first frame is centred on second 0.
    extent = (-_HOP_S / 2, (level.shape[1] - 0.5) * _HOP_S, 0, rate / 2000)
    axes.imshow(
        level.numpy(), origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=top - _RANGE_DB, vmax=top
    )
    axes.text(0.99, 0.96, f"{_RANGE_DB:.0f} dB range", color="white", ha="right", va="top", transform=axes.transAxes)
