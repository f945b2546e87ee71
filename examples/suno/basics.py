"""Suno's README: a sentence, another with a voice, the voice kept.

    python examples/suno/basics.py --model suno/bark-small --output out

Runs offline on the demo checkpoint unless --model says otherwise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import soundfile

from bark_hf.suno import SAMPLE_RATE, available_prompts, generate_audio, preload_models, save_as_prompt, use_model

TEXT = "Hello, my name is Suno. And, uh, and I like pizza. [laughs] But I also have other interests."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="demo, a folder, or a name on the Hub")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--voice", help="a name or a .npz file; default: the checkpoint's first")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the files")
    options = parser.parse_args()

    use_model(options.model)
    preload_models()

    # A voice that nobody has heard before, which goes on speaking.
    full_generation, audio_array = generate_audio(options.text, output_full=True)
    soundfile.write(options.output / "bark_generation.wav", audio_array, SAMPLE_RATE)
    save_as_prompt(options.output / "new_voice.npz", full_generation)
    audio_array = generate_audio("I will say this too.", history_prompt=str(options.output / "new_voice.npz"))
    soundfile.write(options.output / "same_voice.wav", audio_array, SAMPLE_RATE)

    # One of the checkpoint's voices.
    audio_array = generate_audio(options.text, history_prompt=options.voice or next(iter(available_prompts()), None))
    soundfile.write(options.output / "preset.wav", audio_array, SAMPLE_RATE)


if __name__ == "__main__":
    main()
