"""Texts and voices -> clips on disk, in batches. Knows model, processor and sound files; knows no measure.

An item has the seed of its place in the list of texts, whatever voices and batches there are, so results compare from
run to run.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..audio import clip as cut
from ..audio import encode, write_file
from ..generation.semantic import token_limits
from ..modeling_bark import BarkModel
from ..processing_bark import BarkProcessor
from ..voices import VoicePrompt
from .clips import Clip, TextItem

Report = Callable[[str, int, int], None]  # called as report(what, done, total)
STAGES = ("semantic", "coarse", "fine", "codec")


class StageSeconds:
    """A progress callback of `generate` that adds up each stage's seconds.

    Attributes:
        seconds: stage -> seconds; the time between two calls belongs to the stage of the second.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.start()

    def start(self) -> None:
        """A call of `generate` begins; the time since the last one was nobody's."""
        self._last = time.perf_counter()

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


def speak_texts(
    model: BarkModel,
    processor: BarkProcessor,
    texts: Sequence[TextItem],
    voices: Mapping[str, VoicePrompt | None],
    folder: Path,
    *,
    batch_size: int = 8,
    seed: int = 0,
    clock: StageSeconds | None = None,
    report: Report | None = None,
    **keywords: Any,
) -> list[Clip]:
    """Say every text with every voice and keep the sounds as `folder/NUMBER-VOICE.wav`.

    Args:
        texts, voices: what and who; None is no voice prompt.
        folder: exists.
        batch_size: items at once; results do not depend on it.
        seed: text i has seed + i.
        clock: adds up the stages' seconds.
        report: called with ("speak", clips so far, clips in all).
        keywords: of `BarkModel.generate`.

    Returns:
        clips by voice, then by text. An item for which the model ended at once has no sound file.

    Raises:
        ValueError: for two voices whose names give the same file.
    """
    if len({sound_name(0, name) for name in voices}) < len(voices):
        raise ValueError(f"of the voices {', '.join(voices)} two would have the same sound files; rename one")
    clock = clock or StageSeconds()
    jobs = [(name, number) for name in voices for number in range(len(texts))]
    clips: dict[tuple[str, int], Clip] = {}
    for batch in _batches(jobs, texts, batch_size):
        inputs = processor(
            [texts[number].text for _, number in batch], voice_preset=[voices[name] for name, _ in batch]
        ).to(model.device)
        seeds = [seed + number for _, number in batch]
        clock.start()
        out = model.generate(**inputs, **keywords, seed=seeds, progress=clock, return_dict_in_generate=True)
        config = out.generation_config.semantic_config
        seconds = keywords.get("max_duration_s", config.max_duration_s)
        limits = token_limits(config, [seconds] * len(batch))
        for row, (name, number) in enumerate(batch):
            item = texts[number]
            wav = folder / sound_name(number, name)
            clip = Clip(item.id, item.text, name, "text", None, seed=seeds[row])
            n_semantic, frames = int(out.semantic_lengths[row]), int(out.code_lengths[row])
            n_coarse, n_fine = out.coarse_codes.shape[1], out.fine_codes.shape[1]
            clip.semantic = out.semantic_tokens[row, :n_semantic].tolist()
            clip.hit_limit = n_semantic >= limits[row]
            clip.tokens = {"semantic": n_semantic, "coarse": n_coarse * frames, "fine": (n_fine - n_coarse) * frames}
            keep_sound(clip, out.waveform(row), out.sampling_rate, wav)
            clips[name, number] = clip
        if report is not None:
            report("speak", len(clips), len(jobs))
    return [clips[job] for job in jobs]


def keep_sound(clip: Clip, waveform: torch.Tensor, rate: int, wav: Path) -> None:
    """Write float [samples] to `wav` (beyond -1..1 it is cut) and note it in the clip; no samples, no file."""
    audio: np.ndarray = waveform.float().cpu().numpy()
    if audio.size:
        write_file(wav, encode(cut(audio)[0], rate))
        clip.wav, clip.seconds = wav, audio.size / rate


def sound_name(number: int, voice: str) -> str:
    """A file name that every system takes, for item `number` (from 0) of a list."""
    return re.sub(r"[^\w.-]+", "_", f"{number + 1:04d}-{voice}") + ".wav"


def _batches(jobs: list[tuple[str, int]], texts: Sequence[TextItem], size: int) -> list[list[tuple[str, int]]]:
    """Texts of like length together: a batch takes as long as its longest item."""
    ordered = sorted(jobs, key=lambda job: len(texts[job[1]].text))
    return [ordered[at : at + size] for at in range(0, len(ordered), size)]
