"""This package against `transformers.BarkModel`: the same random weights, the same inputs, in turns, in one process.

    python benchmarks/against_transformers.py [--size small|large] [--seconds 3] [--batch 1] [--rounds 5] [--device cpu]
        [--dtype float32] [--threads N] [--json FILE]

Each round runs every stage of both sides once, one directly after the other, on the same tokens: greedy, a fixed number
of semantic tokens, no voice. The medians over the rounds, and the ratio of the medians, are printed. Stages go through
the sub-models' `generate`, which have the same arguments on both sides. `tokens equal` says whether both sides made the
same tokens; where Transformers draws ids above the second codebook's range (docs/parity.md) they cannot.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from transformers.models.bark import generation_configuration_bark as their_configs
from transformers.models.bark import modeling_bark as theirs_module

import bark_hf
from bark_hf.codec import decode_codes
from bark_hf.tokens import SEMANTIC_RATE_HZ, CoarseRules

SIZES = {
    "tiny": {"num_layers": 2, "num_heads": 2, "hidden_size": 64, "bias": False},
    "small": {"num_layers": 12, "num_heads": 12, "hidden_size": 768, "bias": False},
    "large": {"num_layers": 24, "num_heads": 16, "hidden_size": 1024, "bias": False},
}
STAGES = ("semantic", "coarse", "fine", "codec")


def build(size: str, device: str, dtype: torch.dtype) -> tuple[bark_hf.BarkModel, torch.nn.Module]:
    """Our model and Transformers', which share the same weight tensors."""
    torch.manual_seed(0)
    network = SIZES[size]
    names = ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config")
    config = bark_hf.BarkConfig(**dict.fromkeys(names, network))
    ours = bark_hf.BarkModel(config).to(device, dtype).eval()
    parts = {key: value for key, value in config.to_dict().items() if key.endswith("_config")}
    with torch.device("meta"):
        theirs = theirs_module.BarkModel(transformers.BarkConfig(**parts)).eval()
    for own, other in zip(networks(ours), networks(theirs), strict=True):
        other.load_state_dict(own.state_dict(), strict=False, assign=True)
        for module in other.modules():
            if getattr(module, "is_causal", False):
                mask = torch.ones(1024, 1024, dtype=torch.bool, device=device).tril()
                module.bias = mask.view(1, 1, 1024, 1024)
    theirs.codec_model = ours.codec_model
    return ours, theirs


def networks(model: torch.nn.Module) -> tuple[torch.nn.Module, ...]:
    return model.semantic, model.coarse_acoustics, model.fine_acoustics


def our_stages(model: bark_hf.BarkModel, ids: torch.Tensor, n_tokens: int) -> dict[str, Callable]:
    greedy = {"do_sample": False}
    return {
        "semantic": lambda _: model.semantic.generate(ids, max_new_tokens=n_tokens, min_eos_p=None, **greedy),
        "coarse": lambda semantic: model.coarse_acoustics.generate(semantic, **greedy),
        "fine": lambda coarse: model.fine_acoustics.generate(coarse, **greedy),
        "codec": lambda fine: torch.stack(decode_codes(model.codec_model, fine)),
    }


def their_stages(model: torch.nn.Module, ids: torch.Tensor, n_tokens: int) -> dict[str, Callable]:
    semantic = their_configs.BarkSemanticGenerationConfig(max_new_tokens=n_tokens, pad_token_id=10_000)
    coarse = their_configs.BarkCoarseGenerationConfig()  # a pad token here would mask the semantic padding
    fine = their_configs.BarkFineGenerationConfig(temperature=1.0)  # its spelling of greedy
    mask = torch.ones_like(ids)
    stages = {"semantic_generation_config": semantic, "coarse_generation_config": coarse}
    return {
        "semantic": lambda _: model.semantic.generate(ids, semantic, attention_mask=mask),
        "coarse": lambda tokens: model.coarse_acoustics.generate(tokens.clone(), **stages),
        "fine": lambda codes: model.fine_acoustics.generate(codes, fine_generation_config=fine, **stages),
        "codec": lambda codes: model.codec_decode(codes, [codes.shape[-1]] * codes.shape[0]),
    }


def timed(stage: Callable, given: torch.Tensor | None, device: str) -> tuple[float, torch.Tensor]:
    """Seconds and result of one stage."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    wait()
    started = time.perf_counter()
    with torch.no_grad():
        result = stage(given)
    wait()
    return time.perf_counter() - started, result


def measure(arguments: argparse.Namespace) -> dict:
    device, dtype = arguments.device, getattr(torch, arguments.dtype)
    n_tokens = round(arguments.seconds * SEMANTIC_RATE_HZ)
    ours, theirs = build(arguments.size, device, dtype)
    ids = torch.randint(1_000, 100_000, (arguments.batch, 256), generator=torch.Generator().manual_seed(1)).to(device)
    sides = {"ours": our_stages(ours, ids, n_tokens), "transformers": their_stages(theirs, ids, n_tokens)}
    times: dict = {side: {stage: [] for stage in STAGES} for side in sides}
    equal = dict.fromkeys(STAGES[:3], True)
    for round_number in range(arguments.rounds):
        given: torch.Tensor | None = None
        for stage in STAGES:
            results = {}
            order = list(sides) if round_number % 2 == 0 else list(sides)[::-1]
            for side in order:
                seconds, results[side] = timed(sides[side][stage], given, device)
                times[side][stage].append(seconds)
            if stage in equal:
                equal[stage] &= torch.equal(results["ours"].cpu(), results["transformers"].cpu())
            given = results["ours"]
        print(
            f"round {round_number + 1}: "
            + "  ".join(f"{s} {sum(times[s][x][-1] for x in STAGES):.1f} s" for s in sides)
        )
    audio = arguments.batch * CoarseRules().n_steps(n_tokens) // 2 / 75
    medians = {side: {stage: statistics.median(values) for stage, values in times[side].items()} for side in sides}
    return {"seconds_of_audio": audio, "n_tokens": n_tokens, "medians": medians, "all": times, "equal": equal}


def show(arguments: argparse.Namespace, result: dict) -> None:
    medians, n_tokens = result["medians"], result["n_tokens"]
    steps = {"semantic": n_tokens, "coarse": CoarseRules().n_steps(n_tokens)}
    print(f"\nbark-{arguments.size}, {arguments.dtype}, {arguments.device}, batch {arguments.batch}, "
          f"{result['seconds_of_audio']:.1f} s of audio, medians of {arguments.rounds}")  # fmt: skip
    print("| stage | bark_hf | transformers | ratio | tokens equal |\n|---|---|---|---|---|")
    for stage in STAGES:
        own, other = medians["ours"][stage], medians["transformers"][stage]
        per_step = f" ({1e3 * own / steps[stage]:.1f} ms a step)" if stage in steps else ""
        other_step = f" ({1e3 * other / steps[stage]:.1f})" if stage in steps else ""
        same = {True: "yes", False: "no"}.get(result["equal"].get(stage), "")
        print(f"| {stage} | {own:.2f} s{per_step} | {other:.2f} s{other_step} | {other / own:.2f} | {same} |")
    own, other = (sum(medians[side].values()) for side in ("ours", "transformers"))
    audio = result["seconds_of_audio"]
    print(f"| real-time factor | {own / audio:.2f} | {other / audio:.2f} | {other / own:.2f} | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of audio per item")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--threads", type=int, default=0, help="0: torch's choice")
    parser.add_argument("--json", type=Path, help="write everything that was measured")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()
    result = measure(arguments)
    show(arguments, result)
    if arguments.json:
        machine = {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        options = {key: str(value) for key, value in vars(arguments).items()}
        arguments.json.write_text(json.dumps(result | {"machine": machine, "versions": versions, "options": options}))


if __name__ == "__main__":
    main()
