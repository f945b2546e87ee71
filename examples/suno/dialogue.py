"""Suno's notebook on long texts, third part: a script of `NAME: text` lines, each name with a voice.

python examples/suno/dialogue.py --cast Samantha=v2/en_speaker_9 --cast John=v2/en_speaker_2 --model suno/bark-small
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile

from bark_hf.suno import SAMPLE_RATE, available_prompts, generate_audio, preload_models, use_model

SCRIPT = """
Samantha: Have you heard about this new model?

John: No, I have not. What is so special about it?

Samantha: It sounds just like a real person.

John: That would be good for books.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="demo, a folder, or a name on the Hub")
    parser.add_argument("--script", type=Path, help="lines of NAME: text; default: four lines")
    parser.add_argument("--cast", action="append", default=[], metavar="NAME=VOICE", help="default: voices in turn")
    parser.add_argument("--output", type=Path, default=Path("dialogue.wav"))
    options = parser.parse_args()

    use_model(options.model)
    script = options.script.read_text(encoding="utf-8") if options.script else SCRIPT
    lines = [line.split(": ", 1) for line in script.strip().split("\n") if line.strip()]
    voices = available_prompts() or [None]
    names = list(dict.fromkeys(name for name, _ in lines))
    speaker_lookup = {name: voices[number % len(voices)] for number, name in enumerate(names)}
    speaker_lookup |= dict(entry.split("=", 1) for entry in options.cast)
    print(", ".join(f"{name}: {voice}" for name, voice in speaker_lookup.items()))

    preload_models()
    silence = np.zeros(int(0.5 * SAMPLE_RATE), dtype=np.float32)
    pieces = []
    for name, text in lines:
        pieces += [generate_audio(text, history_prompt=speaker_lookup[name]), silence]
    soundfile.write(options.output, np.concatenate(pieces), SAMPLE_RATE)


if __name__ == "__main__":
    main()
