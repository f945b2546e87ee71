"""More lessons for the semantic stage, which needs no sound: flite's phone times of further sentences.

    python recipes/demo/labels.py OUT [--sentences 12000] [--workers 2]

Takes the WordNet examples behind those that are spoken (rarer words, none of the test sentences), asks flite for their
phones, and writes OUT/prepared_labels: the clips of OUT/prepared and these, whose codes are zeros and have no meaning.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets
from speech import LABEL_RATE_HZ, frame_labels
from text import VOICES, from_wordnet
from tqdm import tqdm

from bark_hf.training.dataset import FEATURES, load_prepared

SILENCE_KEPT = 5  # labels of silence at each end, as `prepare` leaves them


def trimmed(labels: list[int]) -> list[int]:
    """Without the silence that `prepare` cuts away; an even number, so that the codes have 1.5 frames per label."""
    sounds = [i for i, label in enumerate(labels) if label > 2]
    first, last = max(0, sounds[0] - SILENCE_KEPT), sounds[-1] + 1 + SILENCE_KEPT
    kept = labels[first:last]
    return kept[: len(kept) // 2 * 2]


def row(numbered: tuple[int, str], n_codebooks: int) -> dict[str, Any]:
    """One sentence in one voice, the voices in turn."""
    number, text = numbered
    voice = VOICES[number % len(VOICES)]
    command = ["flite", "-voice", voice, "-t", text, "-o", "none", "-psdur"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    phones = [(name, float(end)) for name, _, end in (pair.partition(":") for pair in printed.split())]
    semantic = trimmed(frame_labels(phones, int(phones[-1][1] * LABEL_RATE_HZ)))
    n_frames = len(semantic) * 3 // 2
    return {
        "id": f"{voice}-labels{number:05d}",
        "text": text,
        "speaker": voice,
        "language": "en",
        "semantic": semantic,
        "codes": [[0] * n_frames for _ in range(n_codebooks)],
        "seconds": n_frames / 75,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--sentences", type=int, default=12_000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()

    spoken = [json.loads(line)["text"] for line in (args.out / "sentences.jsonl").read_text("utf-8").splitlines()]
    known = {text.casefold() for text in spoken}
    new = [text for _, text in from_wordnet(args.wordnet) if text.casefold() not in known][: args.sentences]
    clips = load_prepared(args.out / "prepared")
    with Pool(args.workers) as pool:
        made = pool.imap(partial(row, n_codebooks=len(clips[0]["codes"])), enumerate(new), chunksize=32)
        rows = list(tqdm(made, total=len(new), desc="labels", mininterval=5))
    part = args.out / "prepared_labels.part"
    concatenate_datasets([clips, Dataset.from_list(rows, features=FEATURES)]).save_to_disk(part)
    shutil.rmtree(args.out / "prepared_labels", ignore_errors=True)
    part.rename(args.out / "prepared_labels")


if __name__ == "__main__":
    main()
