"""Time to the first sound: `stream` against `read_long`, the same text, voice and seed, in turns, in one process.

    python benchmarks/first_audio.py [--model demo] [--voice NAME] [--sentences 10] [--piece-seconds X]
        [--first-seconds X] [--batch-size 4] [--rounds 3] [--device cpu] [--threads N] [--json FILE]

`plain` is the time of `read_long`, whose sound is there when all of it is. `first` is the time to the stream's first
chunk, `stream` to its last. With --first-seconds a third side, `short`, streams with a short first piece: its pieces
are others, so it is not compared sample by sample. `gap` is how long a player that starts with the first chunk would
have had to wait for later ones, all waits together. Medians over the rounds; sides take turns within each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import bark_hf
from bark_hf import BarkModel, BarkProcessor
from bark_hf.longform import read_long, stream

SENTENCES = [
    "The harbour was quiet when the first boats came home.",
    "A woman in a yellow coat counted the crates on the stones.",
    "She wrote the numbers into a small book with a broken pencil.",
    "Behind her the gulls were waiting for somebody to look away.",
    "Nobody had spoken about the storm of the night before.",
    "Two of the boats had lost their nets and one had lost its mast.",
    "The old captain sat on a rope and drank his coffee without milk.",
    "He said that the wind would turn again before the evening.",
    "The children did not believe him and ran down to the water.",
    "By six o'clock the sky was black and all of them were home.",
]


def played(arrivals: list[tuple[float, float]]) -> float:
    """Seconds that a player waits after it has started.

    Args:
        arrivals: of each chunk: when it came, and its seconds of sound.
    """
    clock, waits = arrivals[0][0], 0.0
    for came, seconds in arrivals:
        waits += max(0.0, came - clock)
        clock = max(clock, came) + seconds
    return waits


def streamed(call: dict[str, Any]) -> tuple[dict[str, float], np.ndarray]:
    """Times of one stream, and its sound."""
    started = time.perf_counter()
    sound = stream(**call)
    chunks, arrivals = [], []
    for chunk in sound:
        chunks.append(chunk)
        arrivals.append((time.perf_counter() - started, chunk.shape[0] / sound.sampling_rate))
    assert sound.first_sound_seconds is not None, "the model said nothing; give another --voice or --seed"
    times = {"first": sound.first_sound_seconds, "total": arrivals[-1][0], "gap": played(arrivals)}
    return times, np.concatenate(chunks)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    folder = str(bark_hf.demo_path()) if arguments.model == "demo" else arguments.model
    call: dict[str, Any] = {
        "model": BarkModel.from_pretrained(folder).to(arguments.device).eval(),
        "processor": BarkProcessor.from_pretrained(folder),
        "text": " ".join(SENTENCES[n % len(SENTENCES)] for n in range(arguments.sentences)),
        "voice": arguments.voice,
        "seed": arguments.seed,
        "batch_size": arguments.batch_size,
        "piece_seconds": arguments.piece_seconds,
    }
    sides = ["plain", "stream", *(["short"] if arguments.first_seconds else [])]
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    equal, seconds, pieces = True, 0.0, 0
    for number in range(arguments.rounds):
        sounds = {}
        for side in sides if number % 2 == 0 else sides[::-1]:
            if side == "plain":
                started = time.perf_counter()
                result = read_long(**call)
                sounds[side] = result.audio
                total = time.perf_counter() - started
                found[side].append({"first": total, "total": total, "gap": 0.0})
                seconds, pieces = result.seconds, len(result)
            else:
                first = {"first_seconds": arguments.first_seconds} if side == "short" else {}
                times, sounds[side] = streamed(call | first)
                found[side].append(times)
        equal &= np.array_equal(sounds["plain"], sounds["stream"])
        print(f"round {number + 1}: " + "  ".join(f"{s} {found[s][-1]['first']:.2f} s" for s in sides), flush=True)
    medians = {
        side: {name: statistics.median(times[name] for times in rounds) for name in rounds[0]}
        for side, rounds in found.items()
    }
    return {
        "model": arguments.model,
        "device": arguments.device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "sound_seconds": seconds,
        "pieces": pieces,
        "equal": equal,
        "medians": medians,
        "rounds": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="folder, name on the Hub, or demo")
    parser.add_argument("--voice", default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sentences", type=int, default=10)
    parser.add_argument("--piece-seconds", type=float, default=None)
    parser.add_argument("--first-seconds", type=float, default=None)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    result = measure(arguments)
    medians = result["medians"]
    print(f"{result['sound_seconds']:.1f} s of sound, {result['pieces']} pieces, {result['device']}")
    print(f"{'':8}{'first':>8}{'total':>8}{'gap':>8}")
    for side, times in medians.items():
        print(f"{side:8}" + "".join(f"{times[name]:8.2f}" for name in ("first", "total", "gap")))
    for side in list(medians)[1:]:
        ratio = medians["plain"]["first"] / medians[side]["first"]
        print(f"first sound of {side}: {ratio:.1f} times as early as the plain call's")
    print(f"samples equal: {'yes' if result['equal'] else 'NO'}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
