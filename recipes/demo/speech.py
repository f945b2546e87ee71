"""Speech for the demo's sentences by flite, with a frame label every 20 ms from its own phone times.

    python recipes/demo/speech.py OUT [--workers 2]

Reads OUT/sentences.jsonl; writes OUT/speech/VOICE/*.wav (16 kHz, 16-bit) and OUT/speech/VOICE/metadata.jsonl for the
training sentences, OUT/test/VOICE/... for the test sentences. A killed run goes on where it stopped.

A label is a phone's third: ``3 * phone + part``, part 0..2 by the position inside the phone, so 123 labels for flite's
41 phones. flite and its voices are free software of Carnegie Mellon University (Debian's package `flite`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import soundfile
from tqdm import tqdm

PHONES = (
    "pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh"
).split()
LABEL_RATE_HZ = 50


def frame_labels(phones: Sequence[tuple[str, float]], n_frames: int) -> list[int]:
    """Labels at `LABEL_RATE_HZ` from phones and their end times in seconds; what follows the last phone is its end."""
    labels, start, which = [], 0.0, 0
    for frame in range(n_frames):
        time = (frame + 0.5) / LABEL_RATE_HZ
        while which < len(phones) - 1 and time >= phones[which][1]:
            start, which = phones[which][1], which + 1
        name, end = phones[which]
        part = min(2, int(3 * (time - start) / max(end - start, 1e-6)))
        labels.append(3 * PHONES.index(name) + part)
    return labels


def speak(text: str, voice: str, wav: Path) -> list[int]:
    """Write the clip (first under another name: a killed run leaves no half a file) and return its frame labels."""
    part = wav.with_suffix(".part")
    command = ["flite", "-voice", voice, "-t", text, "-o", str(part), "-psdur"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    phones = [(name, float(end)) for name, _, end in (pair.partition(":") for pair in printed.split())]
    info = soundfile.info(str(part))
    labels = frame_labels(phones, info.frames * LABEL_RATE_HZ // info.samplerate)
    part.rename(wav)
    return labels


def speak_row(sentence: dict[str, Any], voice: str, folder: Path) -> dict[str, Any]:
    """One line of metadata.jsonl."""
    name = f"{sentence['id']}.wav"
    labels = speak(sentence["text"], voice, folder / name)
    return {
        "file_name": name,
        "id": f"{voice}-{sentence['id']}",
        "text": sentence["text"],
        "speaker": voice,
        "language": "en",
        "semantic": labels,
    }


def speak_all(sentences: list[dict[str, Any]], voice: str, folder: Path, workers: int) -> None:
    """Every sentence in one voice, behind what an earlier run has finished."""
    folder.mkdir(parents=True, exist_ok=True)
    metadata = folder / "metadata.jsonl"
    done, unfinished = set(), folder / "metadata.part"
    if metadata.exists():
        return
    if unfinished.exists():  # the last line may be half a line
        lines = unfinished.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        unfinished.write_text("".join(whole), encoding="utf-8")
        done = {json.loads(line)["file_name"] for line in whole}
    left = [sentence for sentence in sentences if f"{sentence['id']}.wav" not in done]
    with unfinished.open("a", encoding="utf-8") as file, Pool(workers) as pool:
        rows = pool.imap(partial(speak_row, voice=voice, folder=folder), left, chunksize=8)
        for row in tqdm(rows, total=len(left), desc=f"{folder.parent.name}/{voice}", mininterval=5):
            file.write(json.dumps(row) + "\n")
            file.flush()
    unfinished.rename(metadata)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--voices", nargs="+", default=["slt", "rms"], help="read sentences meant for these voices")
    args = parser.parse_args()

    lines = (args.out / "sentences.jsonl").read_text(encoding="utf-8").splitlines()
    sentences = [json.loads(line) for line in lines]
    for split, folder in (("test", "test"), ("train", "speech")):
        for voice in args.voices:
            rows = [row for row in sentences if row["split"] == split and voice in row["voices"]]
            speak_all(rows, voice, args.out / folder / voice, args.workers)


if __name__ == "__main__":
    main()
