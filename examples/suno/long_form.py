"""Suno's notebook on long texts: sentence by sentence, simple and with control over the end of each.

    python examples/suno/long_form.py --file book.txt --advanced

`bark_hf.longform` does this in batches, with limits, pauses and resumable runs; this is the notebook's way.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import soundfile

from bark_hf.suno import (
    SAMPLE_RATE,
    available_prompts,
    generate_audio,
    generate_text_semantic,
    preload_models,
    semantic_to_waveform,
    use_model,
)

SCRIPT = """
Have you heard about this new model? People say that it sounds just like a real person. It learns from human speech,
and then it speaks for itself. It could be used for books. It would be like having a voice of your own.
"""
GEN_TEMP = 0.6


def sentences_of(text: str) -> list[str]:
    """The notebook takes `nltk.sent_tokenize`, whose data is downloaded; for plain prose this is enough."""
    return [sentence for sentence in re.split(r"(?<=[.!?])\s+", " ".join(text.split())) if sentence]


def speak(sentence: str, voice: str | None, advanced: bool) -> np.ndarray:
    """One sentence, float32 [samples]."""
    if not advanced:
        return generate_audio(sentence, history_prompt=voice)
    # Bark may invent something behind the text: a lower threshold ends it earlier.
    semantic_tokens = generate_text_semantic(sentence, history_prompt=voice, temp=GEN_TEMP, min_eos_p=0.05)
    return semantic_to_waveform(semantic_tokens, history_prompt=voice)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="demo, a folder, or a name on the Hub")
    parser.add_argument("--file", type=Path, help="the text; default: a few sentences")
    parser.add_argument("--voice", help="a name or a .npz file; default: the checkpoint's first")
    parser.add_argument("--advanced", action="store_true", help="the notebook's second part: min_eos_p and temperature")
    parser.add_argument("--output", type=Path, default=Path("long_form.wav"))
    options = parser.parse_args()

    use_model(options.model)
    preload_models()
    voice = options.voice or next(iter(available_prompts()), None)
    silence = np.zeros(int(0.25 * SAMPLE_RATE), dtype=np.float32)  # quarter of a second
    pieces = []
    for sentence in sentences_of(options.file.read_text(encoding="utf-8") if options.file else SCRIPT):
        pieces += [speak(sentence, voice, options.advanced), silence]
    soundfile.write(options.output, np.concatenate(pieces), SAMPLE_RATE)


if __name__ == "__main__":
    main()
