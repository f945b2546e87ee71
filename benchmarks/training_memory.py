"""Time and memory of training steps at full size: random weights, clips of 8 seconds, the command's own code.

    python benchmarks/training_memory.py FOLDER [--sizes small large] [--stages semantic coarse fine] [--ways full lora]
        [--batches 1 4] [--steps 4] [--precision auto] [--device auto] [--json FILE]

Each line is a process of its own that trains one stage as `bark-hf train` does (full layout, half of the examples with
a voice in front) and writes no checkpoint. Time is the median over the steps after the first. Memory on a CPU is the
process's peak of resident memory, on a GPU what torch had allocated at most. "fits" is the straight line through the
batch sizes measured, read at 8, 16 and 24 GB: an estimate, and 0 where one example does not fit.
Checkpoints of random weights are made in FOLDER and kept there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

LIMITS_GB = (8, 16, 24)
SECONDS = 8
SIZES = {
    "tiny": {"num_layers": 2, "num_heads": 2, "hidden_size": 64, "bias": False},
    "small": {"num_layers": 12, "num_heads": 12, "hidden_size": 768, "bias": False},
    "large": {"num_layers": 24, "num_heads": 16, "hidden_size": 1024, "bias": False},
}


def make_checkpoint(folder: Path, size: str) -> None:
    """A folder in the Hub's layout with random weights of that size, for training alone."""
    import torch
    from transformers import BertTokenizer

    from bark_hf import BarkConfig, BarkGenerationConfig, BarkModel, BarkProcessor

    torch.manual_seed(0)
    names = ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config")
    model = BarkModel(BarkConfig(**dict.fromkeys(names, SIZES[size])))
    model.generation_config = BarkGenerationConfig()
    model.save_pretrained(folder)
    vocab = folder / "vocab.txt"
    vocab.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "word"]) + "\n", encoding="utf-8")
    BarkProcessor(BertTokenizer(vocab=str(vocab))).save_pretrained(folder)


def make_data(folder: Path, n_clips: int) -> None:
    """Clips of random tokens and codes, two speakers."""
    from datasets import Dataset

    from bark_hf.training.dataset import FEATURES

    rng = np.random.default_rng(0)
    n_semantic, n_frames = int(SECONDS * 49.9), SECONDS * 75
    rows = [
        {
            "id": str(i),
            "text": "word " * 30,
            "speaker": str(i % 2),
            "language": "en",
            "seconds": float(SECONDS),
            "semantic": rng.integers(0, 10_000, n_semantic).tolist(),
            "codes": rng.integers(0, 1_024, (8, n_frames)).tolist(),
        }
        for i in range(n_clips)
    ]
    Dataset.from_list(rows, features=FEATURES).save_to_disk(folder)


def train(options: dict[str, Any]) -> dict[str, Any]:
    """In a process of its own: train, and say how long a step took and how much memory there was at most."""
    import torch

    from bark_hf.benchmarking.memory import peak_mb
    from bark_hf.training import stage_training
    from bark_hf.training.recipe import load_recipe
    from bark_hf.training.stage_recipes import CoarseRecipe, FineRecipe, SemanticRecipe

    recipes = {"semantic": SemanticRecipe, "coarse": CoarseRecipe, "fine": FineRecipe}
    stage_training.save_result = lambda trainer, recipe, folder, output_dir: output_dir  # time and memory of steps only
    recipe = load_recipe(recipes[options.pop("stage")], None, options)
    stage_training.train_stage(recipe)
    log = [json.loads(line) for line in (Path(recipe.output_dir) / "log.jsonl").read_text().splitlines()]
    seconds = [line["seconds"] for line in log if "loss" in line]
    on_gpu = torch.cuda.is_available() and recipe.device != "cpu"
    peak = torch.cuda.max_memory_allocated() if on_gpu else peak_mb() * 2**20
    steps = [later - earlier for earlier, later in itertools.pairwise(seconds)]
    return {"seconds_per_step": statistics.median(steps), "peak_gb": peak / 1e9}


def measure(model: Path, data: Path, stage: str, way: str, batch: int, args: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as out:
        options = {
            "stage": stage,
            "model": str(model),
            "data": str(data),
            "output_dir": out,
            "batch_size": batch,
            "max_steps": args.steps,
            "full_layout_fraction": 1.0,
            "eval_fraction": 0.0,
            "logging_steps": 1,
            "save_steps": 10 * args.steps,
            "lora_rank": 16 if way == "lora" else 0,
            "precision": args.precision,
            "device": args.device,
        }
        command = [sys.executable, __file__, "--child", json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise SystemExit(f"{stage} {way} batch {batch} failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def fitting(points: list[tuple[int, float]]) -> dict[str, int]:
    """Largest batch per limit, by the line through (batch, GB); at least two points."""
    slope, start = np.polyfit(*np.array(points, dtype=float).T, 1)
    return {f"{limit} GB": max(0, int((limit - start) / max(slope, 1e-3))) for limit in LIMITS_GB}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--sizes", nargs="+", default=["small", "large"], choices=SIZES)
    parser.add_argument("--stages", nargs="+", default=["semantic", "coarse", "fine"])
    parser.add_argument("--ways", nargs="+", default=["full", "lora"], choices=["full", "lora"])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(train(json.loads(args.child))))
        return
    if args.folder is None:
        parser.error("FOLDER is missing: where the random checkpoints go")

    data = args.folder / "clips"
    if not data.is_dir():
        make_data(data, 64)
    results = []
    print("| size | stage | weights | batch | seconds per step | peak GB | fits 8 / 16 / 24 GB |")
    print("|---|---|---|---|---|---|---|")
    for size in args.sizes:
        model = args.folder / f"random-{size}"
        if not (model / "config.json").is_file():
            make_checkpoint(model, size)
        for stage in args.stages:
            for way in args.ways:
                points: list[tuple[int, float]] = []
                for batch in args.batches:
                    got = measure(model, data, stage, way, batch, args)
                    points.append((batch, got["peak_gb"]))
                    fits = fitting(points) if len(points) > 1 else {}
                    results.append({"size": size, "stage": stage, "way": way, "batch": batch, **got, "fits": fits})
                    shown = " / ".join(map(str, fits.values()))
                    print(
                        f"| {size} | {stage} | {way} | {batch} | {got['seconds_per_step']:.2f} | {got['peak_gb']:.2f} "
                        f"| {shown} |",
                        flush=True,
                    )
    if args.json:
        args.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
