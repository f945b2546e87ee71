"""Suno's notebook on memory: large or small models, kept on the GPU or offloaded between calls.

    python examples/suno/memory.py --model suno/bark --small-model suno/bark-small

Without a GPU it reports the memory that the models' weights take, since there is nothing to offload from.
"""

from __future__ import annotations

import argparse
import time

import torch

from bark_hf.suno import available_prompts, generate_audio, generation, preload_models, use_model


def weights() -> float:
    """Bytes of the loaded models' weights."""
    networks = [part["model"] if isinstance(part, dict) else part for part in generation.models.values()]
    return sum(tensor.nbytes for network in networks for tensor in network.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="demo, a folder, or a name on the Hub")
    parser.add_argument("--small-model", help="compared with --model")
    parser.add_argument("--text", default="madam I'm adam")
    options = parser.parse_args()

    gpu = torch.cuda.is_available()
    for offload in (True, False):
        generation.OFFLOAD_CPU = offload  # SUNO_OFFLOAD_CPU=1 does it for a whole run
        for name in filter(None, (options.small_model, options.model)):
            use_model(name)
            if gpu:
                torch.cuda.reset_peak_memory_stats()
            preload_models()
            started = time.perf_counter()
            generate_audio(options.text, history_prompt=next(iter(available_prompts()), None), silent=True)
            seconds = time.perf_counter() - started
            peak = torch.cuda.max_memory_allocated() if gpu else weights()
            print(f"{name}, offloading to CPU: {offload}")
            print(f"\t{'GPU memory at most' if gpu else 'weights'} {peak / 2**20:.0f} MB, time {seconds:.1f} s")


if __name__ == "__main__":
    main()
