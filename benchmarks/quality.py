"""What a fast mode costs in quality: losses with the truth fed in, through the very steps that generate.

    python benchmarks/quality.py MODEL PREPARED [--modes exact,bfloat16,int8,int4] [--limit 40] [--stages semantic ...]
        [--json FILE]

MODEL is a checkpoint or `demo`, PREPARED a folder of `bark-hf prepare` with clips that were not trained on. For each
mode every clip's true tokens are forced on the semantic and the coarse stage by a logits processor that notes the
probability of each, so that steps, caches and prompts are those of generation; the fine stage predicts each codebook
from the true ones before it. Printed are nats per token and how much they are above the first mode's, with the 95 %
interval of the difference over clips (bootstrap).
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers import LogitsProcessor

from bark_hf import BarkModel, BarkProcessor
from bark_hf.acceleration import optimize
from bark_hf.benchmarking import MODES
from bark_hf.demo import DEMO, demo_path
from bark_hf.generation.coarse import generate_coarse
from bark_hf.generation.fine import FineItem
from bark_hf.generation.lean_fine import fine_logits
from bark_hf.generation.semantic import generate_semantic
from bark_hf.tokens import flatten_codes
from bark_hf.training.dataset import load_prepared

STAGES = ("semantic", "coarse", "fine")


class Truth(LogitsProcessor):
    """Lets only the true token be drawn, and notes its probability."""

    def __init__(self, tokens: torch.Tensor):
        self.tokens = tokens
        self.nats: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        token = int(self.tokens[len(self.nats)])
        self.nats.append(-float(scores[0].log_softmax(-1)[token]))
        forced = torch.full_like(scores, -torch.inf)
        forced[0, token] = 0.0
        return forced


def semantic_nats(model: BarkModel, processor: BarkProcessor, clip: dict[str, Any]) -> list[float]:
    """Of the clip's tokens and the end mark behind them."""
    config = model.generation_config.semantic_config
    inputs = processor(clip["text"])
    ids = inputs["input_ids"][0, : int(inputs["attention_mask"].sum())].long()
    truth = Truth(torch.tensor([*clip["semantic"], config.eos_token_id]))
    config = copy.deepcopy(config)
    config.min_eos_p, config.max_new_tokens = None, len(truth.tokens)
    generate_semantic(model.semantic, config, [ids], [None], [0], [None], [truth])
    return truth.nats


def coarse_nats(model: BarkModel, processor: BarkProcessor, clip: dict[str, Any]) -> list[float]:
    """Of the ids of the coarse codebooks, without a voice."""
    config = model.generation_config
    codes = torch.tensor(clip["codes"])[: config.coarse_acoustics_config.n_coarse_codebooks]
    flat = flatten_codes(codes, config.semantic_config.semantic_vocab_size, config.codebook_size)
    semantic = torch.tensor(clip["semantic"])
    while config.coarse_rules().n_steps(len(semantic)) > len(flat):
        semantic = semantic[:-1]
    truth = Truth(flat)
    generate_coarse(model.coarse_acoustics, config, [semantic], [None], [0], [truth])
    return truth.nats


def fine_nats(model: BarkModel, processor: BarkProcessor, clip: dict[str, Any]) -> list[float]:
    """Of the codebooks behind the coarse ones, in the clip's first window."""
    config = model.generation_config
    n_given = config.coarse_acoustics_config.n_coarse_codebooks
    network, size = model.fine_acoustics, config.fine_acoustics_config.max_fine_input_length
    codes = torch.tensor(clip["codes"])[:, :size]
    window = FineItem(codes, None, 0, config, network.config.n_codes_total).codes.T[None]  # [1, 1024, n_codes]
    nats: list[float] = []
    for k in range(n_given, len(codes)):
        scores = fine_logits(network, k, window, config.codebook_size)[0, : codes.shape[1]].log_softmax(-1)
        nats += (-scores.gather(1, codes[k][:, None])[:, 0]).tolist()
    return nats


MEASURES: dict[str, Callable[[BarkModel, BarkProcessor, dict[str, Any]], list[float]]] = {
    "semantic": semantic_nats,
    "coarse": coarse_nats,
    "fine": fine_nats,
}


def per_clip(model: BarkModel, processor: BarkProcessor, clips: list[dict[str, Any]], stage: str) -> np.ndarray:
    """Sum of nats and number of tokens of each clip, [N, 2]."""
    rows = [MEASURES[stage](model, processor, clip) for clip in tqdm(clips, desc=stage, leave=False)]
    return np.array([(sum(nats), len(nats)) for nats in rows])


def difference(own: np.ndarray, first: np.ndarray) -> tuple[float, float, float]:
    """How much a loss is above another, and its 95 % interval over clips, as shares of the other."""
    draws = np.random.default_rng(0).integers(len(own), size=(2_000, len(own)))
    shares = own[draws, 0].sum(1) / first[draws, 0].sum(1) - 1
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(own[:, 0].sum() / first[:, 0].sum() - 1), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--modes", default="exact,bfloat16,int8,int4", help="the first is what others are held against")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--limit", type=int, default=40, help="clips")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder = demo_path() if arguments.model == DEMO else arguments.model
    plain = BarkModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = BarkProcessor.from_pretrained(folder) if "semantic" in arguments.stages else None
    dataset = load_prepared(arguments.prepared)
    clips = [dataset[i] for i in range(min(arguments.limit, len(dataset)))]

    losses: dict[str, dict[str, np.ndarray]] = {}
    with torch.no_grad():
        for mode in arguments.modes.split(","):
            options = MODES[mode]
            model = plain if options is None else optimize(copy.deepcopy(plain), **options)
            losses[mode] = {stage: per_clip(model, processor, clips, stage) for stage in arguments.stages}
    first = next(iter(losses.values()))
    print(f"{len(clips)} clips, nats per token\n")
    print(f"| mode | {' | '.join(arguments.stages)} |\n|---{'|---' * len(arguments.stages)}|")
    result: dict[str, Any] = {}
    for mode, stages in losses.items():
        cells = []
        for stage, rows in stages.items():
            share, low, high = difference(rows, first[stage])
            loss = rows[:, 0].sum() / rows[:, 1].sum()
            result.setdefault(mode, {})[stage] = {"loss": loss, "above": share, "low": low, "high": high}
            cells.append(
                f"{loss:.4f}" + ("" if rows is first[stage] else f" ({share:+.2%}, {low:+.2%} to {high:+.2%})")
            )
        print(f"| {mode} | {' | '.join(cells)} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
