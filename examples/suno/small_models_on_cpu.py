"""Suno's notebook on small models on the CPU: seconds of work against seconds of sound.

python examples/suno/small_models_on_cpu.py --model suno/bark-small
"""

from __future__ import annotations

import argparse
import os
import time

from bark_hf.suno import SAMPLE_RATE, generate_audio, preload_models, use_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="demo, a folder, or a name on the Hub")
    parser.add_argument("--text", default="In the light of the moon, a little egg lay on a leaf")
    options = parser.parse_args()

    use_model(options.model)
    started = time.perf_counter()
    preload_models(text_use_gpu=False, coarse_use_gpu=False, fine_use_gpu=False, codec_use_gpu=False)
    print(f"took {time.perf_counter() - started:.1f} s to load")

    started = time.perf_counter()
    audio_array = generate_audio(options.text)
    generation_duration_s = time.perf_counter() - started
    audio_duration_s = audio_array.shape[0] / SAMPLE_RATE
    print(f"took {generation_duration_s:.1f} s to generate {audio_duration_s:.1f} s of audio on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
