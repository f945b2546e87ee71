"""Coarse codes -> codes of all codebooks, as Suno's `generate_fine`.

Knows the fine windows. A window always has 1,024 frames, so windows of different items run as one batch, each with its
own padding: an item is as it would be alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .. import tokens as rules
from ..generation_configuration_bark import BarkGenerationConfig
from ..voices import VoicePrompt
from .lean_fine import fine_logits
from .limits import check_fine
from .sampling import ItemNoise, draw, warp
from .semantic import Progress

WINDOWS_AT_ONCE = 16  # bounds the memory of a large batch; results do not depend on it


class FineItem:
    """One item: the padded input and its windows.

    Args:
        coarse: int64 codes [K, T] on the CPU, T >= 1.
        voice: a voice whose last frames are put in front, or None.
        n_codes: codebooks that the network reads.
    """

    def __init__(
        self, coarse: torch.Tensor, voice: VoicePrompt | None, seed: int, config: BarkGenerationConfig, n_codes: int
    ):
        stage, unknown = config.fine_acoustics_config, config.codebook_size
        history = torch.empty(n_codes, 0, dtype=torch.long)
        if voice is not None:
            history = torch.tensor(voice.fine_prompt)[:, -stage.max_fine_history_length :]
            history = torch.nn.functional.pad(history, (0, 0, 0, n_codes - history.shape[0]), value=unknown)
        given = torch.nn.functional.pad(coarse, (0, 0, 0, n_codes - coarse.shape[0]), value=unknown)
        self.n_history, self.n_frames = history.shape[1], coarse.shape[1]
        window = stage.max_fine_input_length
        missing = max(0, window - self.n_history - self.n_frames)
        self.codes = torch.nn.functional.pad(torch.cat([history, given], dim=1), (0, missing), value=unknown)
        self.windows = rules.fine_windows(self.n_frames, self.n_history, window, stage.max_fine_history_length)
        self.noise = ItemNoise(seed, "fine")

    def result(self, n_codes: int) -> torch.Tensor:
        """The new frames, [n_codes, T]."""
        return self.codes[:n_codes, self.n_history : self.n_history + self.n_frames]


def generate_fine(
    network: Any,
    config: BarkGenerationConfig,
    coarse: Sequence[torch.Tensor],
    voices: Sequence[VoicePrompt | None],
    seeds: Sequence[int],
    progress: Progress | None = None,
) -> list[torch.Tensor]:
    """Fill in the codebooks that the coarse stage has left open.

    Args:
        network: `BarkFineModel`.
        config: the whole generation config.
        coarse: per item, int64 codes [K, T] with 1 <= K < n_fine_codebooks, all items the same K; T may be 0.
        voices, seeds: one per item.
        progress: called with ("fine", network passes so far, passes in all).

    Returns:
        per item, int64 codes [n_fine_codebooks, T], values 0..codebook_size - 1, on the network's device.
    """
    check_fine(config, network.config)
    stage, n_codes = config.fine_acoustics_config, network.config.n_codes_total
    items = [
        FineItem(codes.cpu(), voice, seed, config, n_codes)
        for codes, voice, seed in zip(coarse, voices, seeds, strict=True)
        if codes.shape[1]
    ]
    n_given = coarse[0].shape[0] if coarse else 0
    batches = [
        [item for item in items if len(item.windows) > w][at : at + WINDOWS_AT_ONCE]
        for w in range(max((len(item.windows) for item in items), default=0))
        for at in range(0, sum(len(item.windows) > w for item in items), WINDOWS_AT_ONCE)
    ]
    position: dict[int, int] = {}  # windows done, per item
    passes, total = 0, len(batches) * (stage.n_fine_codebooks - n_given)
    for batch in batches:
        windows = [item.windows[position.get(id(item), 0)] for item in batch]
        codes = _gather(batch, windows, stage.max_fine_input_length).to(network.device)  # [A, 1024, n_codes]
        fill = torch.tensor([window.fill - window.start for window in windows])
        for k in range(n_given, stage.n_fine_codebooks):
            codes[:, :, k] = _fill_codebook(network, config, codes, k, batch, fill)
            passes += 1
            if progress is not None:
                progress("fine", passes, total)
        for item, window, row in zip(batch, windows, codes.cpu(), strict=True):
            item.codes[:, window.start : window.start + row.shape[0]] = row.T
            position[id(item)] = position.get(id(item), 0) + 1
    results = iter(items)
    return [
        (
            next(results).result(stage.n_fine_codebooks)
            if codes.shape[1]
            else codes.new_empty(stage.n_fine_codebooks, 0)
        ).to(network.device)
        for codes in coarse
    ]


def _gather(batch: Sequence[FineItem], windows: Sequence[rules.FineWindow], length: int) -> torch.Tensor:
    return torch.stack([item.codes[:, w.start : w.start + length].T for item, w in zip(batch, windows, strict=True)])


def _fill_codebook(
    network: Any,
    config: BarkGenerationConfig,
    codes: torch.Tensor,
    k: int,
    batch: Sequence[FineItem],
    fill: torch.Tensor,
) -> torch.Tensor:
    """Codebook k of every frame from `fill` on: codes [A, N, n_codes] -> int64 [A, N]."""
    stage, length = config.fine_acoustics_config, codes.shape[1]
    logits = fine_logits(network, k, codes, config.codebook_size)
    noise = None
    if not stage.greedy:
        noise = torch.zeros(len(batch), length, config.codebook_size)  # frames before `fill` are not rewritten
        for row, item, first in zip(noise, batch, fill.tolist(), strict=True):
            row[first:] = item.noise.draw(length - first, config.codebook_size)
        noise = noise.to(codes.device)
    drawn = draw(warp(logits, stage), noise)
    return torch.where(
        torch.arange(length, device=codes.device) >= fill.to(codes.device)[:, None], drawn, codes[:, :, k]
    )
