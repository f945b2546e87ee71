"""Suno's published voices as prepared data: 230 to train on, 41 to evaluate on.

    python recipes/suno_voices/voices.py VOICES OUT        # VOICES/**/*.npz -> OUT/train, OUT/held_out

A voice file is a few seconds of speech as Bark itself made it: semantic tokens at 49.9 Hz and eight codebooks at 75 Hz,
which is what the coarse and the fine network learn from. The text is not known and stays empty. Every file becomes one
row. Which voices are held out hangs on their names alone; a voice that shares sound with another is never one of them.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from bark_hf.training.dataset import FEATURES
from bark_hf.voices import VoicePrompt

N_HELD_OUT = 41
RUN = 24  # frames, 0.3 s: a piece of sound that two voices can't have by chance ...
VARIED = 8  # ... if it holds that many different codes, which silence doesn't


def read_voices(folder: Path) -> dict[str, VoicePrompt]:
    """Every voice below a folder by its preset name, such as "v2/en_speaker_6".

    Raises:
        ValueError: for a file that is no voice, and for a folder without any.
    """
    paths = sorted(folder.rglob("*.npz"))
    if not paths:
        raise ValueError(f"{folder} holds 0 voices (.npz); at least 1 is needed; give the folder of Suno's presets.")
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    return {name: VoicePrompt.load(path, name=name) for name, path in zip(names, paths, strict=True)}


def row(name: str, voice: VoicePrompt) -> dict[str, Any]:
    """A voice as a row of prepared data; `language` is "und" (undetermined) where the name doesn't say it."""
    language = re.search(r"(?:^|/)([a-z]{2})_speaker_\d+$", name)
    return {
        "id": name,
        "text": "",
        "speaker": name,
        "language": language[1] if language else "und",
        "seconds": voice.seconds,
        "semantic": voice.semantic_prompt,
        "codes": voice.fine_prompt,  # its first two rows are the coarse prompt, which `VoicePrompt` has checked
    }


def overlaps(voices: Mapping[str, VoicePrompt]) -> set[tuple[str, str]]:
    """Pairs of voices that share `RUN` frames of the first codebook, at any place, silence apart."""
    first: dict[bytes, str] = {}
    pairs = set()
    for name, voice in voices.items():
        for run in np.lib.stride_tricks.sliding_window_view(
            voice.coarse_prompt[0], min(RUN, voice.coarse_prompt.shape[1])
        ):
            other = first.setdefault(run.tobytes(), name)
            if other != name and len(set(run.tolist())) >= VARIED:
                pairs.add((other, name))
    return pairs


def held_out(names: Iterable[str], together: set[tuple[str, str]], n: int) -> set[str]:
    """`n` names, chosen by their hash, none of them in a pair.

    Raises:
        ValueError: if there are too few.
    """
    paired = {name for pair in together for name in pair}
    alone = [name for name in names if name not in paired]
    if len(alone) <= n:
        raise ValueError(f"{len(alone)} voices stand alone; more than {n} are needed to hold {n} out; add voices.")
    return set(sorted(alone, key=lambda name: hashlib.sha256(name.encode()).digest())[:n])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    voices = read_voices(args.voices)
    pairs = overlaps(voices)
    chosen = held_out(voices, pairs, N_HELD_OUT)
    for part, names in (("train", [n for n in voices if n not in chosen]), ("held_out", sorted(chosen))):
        rows = [row(name, voices[name]) for name in names]
        Dataset.from_list(rows, features=FEATURES).save_to_disk(args.out / part)
        print(f"{args.out / part}: {len(rows)} voices, {sum(r['seconds'] for r in rows) / 60:.1f} minutes")
    for first, second in sorted(pairs):
        same = "the same" if voices[first] == voices[second] else "overlapping"
        print(f"{first} and {second} are {same}; both are in {args.out / 'train'}")


if __name__ == "__main__":
    main()
