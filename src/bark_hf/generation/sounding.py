"""What a person does with a result: save it, listen to it in a notebook, look at it.

Knows sound files, HTML and the fields of `BarkOutput`; knows no stage. Drawing is in `picture`.
"""

from __future__ import annotations

import base64
import html
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PLAYERS_SHOWN = 16  # a player carries its sound: about 64 kB per second


class Sounding:
    """Mixin of `BarkOutput`."""

    audio: torch.Tensor
    audio_lengths: torch.Tensor
    seeds: list[int]
    sampling_rate: int

    def waveform(self, index: int = 0) -> torch.Tensor:
        """Audio of one item without padding, float32 [samples]."""
        return self.audio[index, : int(self.audio_lengths[index])]

    def save(self, path: str | os.PathLike[str], index: int | None = None) -> list[Path]:
        """Write the sound; each file appears complete or not at all, an existing one is replaced.

        Args:
            path: ends in `.wav`, `.flac` or `.ogg`. Several items become `NAME_0.wav`, `NAME_1.wav`, ...
            index: of one item; None for all.

        Returns:
            The files written, in the items' order.

        Raises:
            ValueError: for another ending, or an item without sound.
            IndexError: for an item that does not exist.
            OSError: if the folder does not exist or a file can't be written.
        """
        from ..audio import check_target, encode, sound_suffix, write_file

        path = Path(path).expanduser()
        suffix = sound_suffix(path)
        items = self._items(index)
        named = len(items) > 1
        files = [path.with_name(f"{path.stem}_{item}{path.suffix}") if named else path for item in items]
        for file in files:
            check_target(file)
        sounds = [encode(self._audible(item), self.sampling_rate, suffix) for item in items]
        for file, content in zip(files, sounds, strict=True):
            write_file(file, content)
        return files

    def plot(self, index: int | None = None) -> Figure:
        """Draw the sound and its tokens over time: waveform, spectrogram, semantic tokens, codes.

        Args:
            index: of one item; None for all, side by side.

        Returns:
            A matplotlib figure: notebooks show it, `.savefig("me.png")` writes it.

        Raises:
            ImportError: without matplotlib.
            IndexError: for an item that does not exist.
        """
        from .picture import draw_items

        return draw_items(self, self._items(index))  # type: ignore[arg-type]

    def _repr_html_(self) -> str:
        """A player per item: what Jupyter shows."""
        from ..audio import clip, encode

        parts = []
        for item in self._items(None)[:_PLAYERS_SHOWN]:
            audio = clip(np.nan_to_num(self.waveform(item).cpu().numpy()))[0]
            seconds = audio.shape[0] / self.sampling_rate
            label = f"item {item}: {seconds:.1f} s, seed {self.seeds[item]}"
            sound = base64.b64encode(encode(audio, self.sampling_rate)).decode() if audio.size else ""
            player = f'<audio controls src="data:audio/wav;base64,{sound}"></audio>' if sound else "<em>no sound</em>"
            parts.append(f"<div>{player}<br><small>{html.escape(label)}</small></div>")
        hidden = self.audio.shape[0] - len(parts)
        return "\n".join([*parts, f"<p>and {hidden} more: out.waveform(i), out.save(...)</p>"] if hidden else parts)

    def _items(self, index: int | None) -> list[int]:
        n_items = self.audio.shape[0]
        if index is None:
            return list(range(n_items))
        if not -n_items <= index < n_items:
            raise IndexError(f"There is no item {index}: this result has {n_items}, from 0 on.")
        return [index % n_items]

    def _audible(self, index: int) -> np.ndarray:
        """The samples of an item in -1..1; clipping is said."""
        from ..audio import clip

        audio = self.waveform(index).cpu().numpy()
        if not audio.size:
            raise ValueError(f"Item {index} has no sound, because the model ended at once: try another seed.")
        audio, clipping = clip(audio)
        if clipping.samples:
            warnings.warn(
                f"{clipping.samples} of the {audio.size} samples of item {index} were beyond -1..1, up to "
                f"{clipping.peak:.2f}; they are clipped in the file.",
                stacklevel=4,
            )
        return audio
