"""Twenty minutes of a voice that the demo has never heard, in place of your own recordings: flite's `awb`.

    python recipes/new_voice/record.py OUT [--minutes 20]

Writes OUT/recordings/*.wav (16 kHz) with OUT/recordings/metadata.csv (file_name,text), as `bark-hf prepare` reads it,
and 20 sentences of the same voice for comparison in OUT/held_out. Nothing but sound and text is given: the semantic
tokens come from the checkpoint's own tokenizer.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import soundfile

HERE = Path(__file__).parent
VOICE, N_HELD_OUT = "awb", 20


def record(texts: list[str], folder: Path, minutes: float) -> float:
    """Speak texts until there are so many minutes of sound; returns the minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = 0.0
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "text"])
        for number, text in enumerate(texts):
            wav = folder / f"{VOICE}{number:04d}.wav"
            subprocess.run(["flite", "-voice", VOICE, "-t", text, "-o", str(wav)], check=True)
            seconds += soundfile.info(str(wav)).duration
            table.writerow([wav.name, text])
            if seconds >= 60 * minutes:
                break
    return seconds / 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=20.0)
    args = parser.parse_args()

    sentences = args.out / "sentences.jsonl"
    if not sentences.exists():
        subprocess.run([sys.executable, str(HERE.parent / "demo/text.py"), str(args.out)], check=True)
    rows = [json.loads(line) for line in sentences.read_text(encoding="utf-8").splitlines()]
    train = [row["text"] for row in rows if row["split"] == "train"]
    test = [row["text"] for row in rows if row["split"] == "test"][:N_HELD_OUT]
    spoken = record(train, args.out / "recordings", args.minutes)
    record(test, args.out / "held_out", args.minutes)
    print(f"{spoken:.1f} minutes in {args.out / 'recordings'}")


if __name__ == "__main__":
    main()
