"""Every mode of this package against `transformers.BarkModel`: the same random weights, in turns, in one process.

    python benchmarks/modes.py [--modes transformers,exact,int8] [--size small|large] [--seconds 10] [--batch 1]
        [--rounds 3] [--device cpu] [--threads N] [--memory] [--json FILE] [--plot FILE.png]

Each round runs every stage of every mode once, one mode directly after the other, on the same tokens: greedy, a fixed
number of semantic tokens, no voice. Printed are medians over the rounds and their ratio to the first mode given.
`--memory` starts one more process per mode, which loads it from a folder and says 3 seconds of sound: loading time and
peak memory.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from against_transformers import SIZES, STAGES, build, our_stages, their_stages, timed

from bark_hf import BarkModel
from bark_hf.acceleration import load, optimize
from bark_hf.tokens import SEMANTIC_RATE_HZ, CoarseRules

# mode -> options of optimize; None: nothing is optimised
MODES: dict[str, dict[str, Any] | None] = {
    "transformers": None,
    "exact": None,
    "bfloat16": {"dtype": torch.bfloat16},
    "int8": {"quantize": "int8"},
    "int4": {"quantize": "int4"},
    "graphs": {"dtype": torch.bfloat16, "cuda_graphs": True},
    "compiled": {"dtype": torch.bfloat16, "cuda_graphs": True, "compile": True},
}


def make_stages(names: list[str], size: str, device: str, ids: torch.Tensor, n_tokens: int) -> dict[str, dict]:
    """mode -> stage -> function of the stage before's tokens."""
    ours, theirs = build(size, device, torch.float32)
    stages = {}
    for name in names:
        if name == "transformers":
            stages[name] = their_stages(theirs, ids, n_tokens)
            continue
        options = MODES[name]
        model = ours if options is None else optimize(copy.deepcopy(ours), **options)
        print(f"{name}: {getattr(model, 'acceleration', 'as loaded')}", flush=True)
        stages[name] = our_stages(model, ids, n_tokens)
    return stages


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of every stage: mode -> stage -> one per round."""
    n_tokens = round(arguments.seconds * SEMANTIC_RATE_HZ)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1_000, 100_000, (arguments.batch, 256), generator=generator).to(arguments.device)
    stages = make_stages(arguments.modes, arguments.size, arguments.device, ids, n_tokens)
    given = reference_tokens(arguments.batch, n_tokens, arguments.device)
    seconds: dict[str, dict[str, list[float]]] = {mode: {stage: [] for stage in STAGES} for mode in stages}
    for number in range(arguments.rounds):
        order = arguments.modes[number % len(stages) :] + arguments.modes[: number % len(stages)]
        for stage in STAGES:
            for mode in order:
                taken, result = timed(stages[mode][stage], given[stage], arguments.device)
                seconds[mode][stage].append(taken)
                if stage == "semantic" and result.shape[1] < n_tokens:
                    print(f"{mode}: ended after {result.shape[1]} of {n_tokens} tokens; its figures are too good")
        totals = (f"{mode} {sum(seconds[mode][stage][-1] for stage in STAGES):.1f} s" for mode in seconds)
        print(f"round {number + 1}: {', '.join(totals)}", flush=True)
    return {"seconds": seconds, "n_tokens": n_tokens, "audio": arguments.batch * n_frames(n_tokens) / 75}


def n_frames(n_tokens: int) -> int:
    return CoarseRules().n_steps(n_tokens) // 2


def reference_tokens(batch: int, n_tokens: int, device: str) -> dict[str, Any]:
    """What each stage is given, whatever the modes make of the stage before: random tokens."""
    generator = torch.Generator().manual_seed(2)
    semantic = torch.randint(10_000, (batch, n_tokens), generator=generator)
    codes = torch.randint(1024, (batch, 8, n_frames(n_tokens)), generator=generator)
    flat = (codes[:, :2] + torch.tensor([10_000, 11_024])[:, None]).transpose(1, 2).flatten(1)
    given = {"semantic": None, "coarse": semantic, "fine": flat, "codec": codes}
    return {stage: None if ids is None else ids.to(device) for stage, ids in given.items()}


def table(arguments: argparse.Namespace, result: dict[str, Any]) -> str:
    """Markdown: one line per mode."""
    n_tokens, audio = result["n_tokens"], result["audio"]
    steps = {"semantic": n_tokens, "coarse": CoarseRules().n_steps(n_tokens)}
    medians = {m: {s: statistics.median(v) for s, v in stages.items()} for m, stages in result["seconds"].items()}
    first = sum(medians[arguments.modes[0]].values())
    lines = [
        f"bark-{arguments.size}, {arguments.device}, batch {arguments.batch}, {audio:.1f} s of sound, medians of "
        f"{arguments.rounds} rounds in turns, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"transformers {transformers.__version__}\n",
        "| mode | semantic, ms a step | coarse, ms a step | fine, s | codec, s | real-time factor | times faster |",
        "|---|---|---|---|---|---|---|",
    ]
    for mode, stage in medians.items():
        total = sum(stage.values())
        per_step = " | ".join(f"{1e3 * stage[name] / steps[name]:.1f}" for name in steps)
        lines.append(
            f"| {mode} | {per_step} | {stage['fine']:.2f} | {stage['codec']:.2f} | {total / audio:.2f} | "
            f"{first / total:.2f} |"
        )
    return "\n".join(lines)


def plot(arguments: argparse.Namespace, result: dict[str, Any], path: Path) -> None:
    """Seconds of work per second of sound, stage on stage, one bar per mode."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 0.6 * len(arguments.modes) + 1.5))
    left = [0.0] * len(arguments.modes)
    for stage in STAGES:
        widths = [statistics.median(result["seconds"][mode][stage]) / result["audio"] for mode in arguments.modes]
        axes.barh(arguments.modes, widths, left=left, label=stage)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for place, total in enumerate(left):
        axes.text(total, place, f" {total:.2f}", va="center")
    axes.invert_yaxis()
    axes.axvline(1.0, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlabel="seconds of work per second of sound", title=f"bark-{arguments.size}, batch {arguments.batch}")
    axes.margins(x=0.12)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def memory(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Loading time and peak memory of each mode, each in a process of its own."""
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch, "plain")
        ours, _ = build(arguments.size, "cpu", torch.float32)
        ours.save_pretrained(plain)
        for mode in arguments.modes:
            options, folder = MODES[mode], plain
            if options and "quantize" in options:
                folder = Path(scratch, mode)
                optimize(copy.deepcopy(ours), **options).save_pretrained(folder)
            command = [sys.executable, __file__, "--one", mode, "--folder", str(folder), "--device", arguments.device]
            command += ["--threads", str(arguments.threads)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            figures[mode] = json.loads(output.splitlines()[-1])
            print(f"{mode}: {figures[mode]}", flush=True)
    return figures


def one(mode: str, folder: Path, device: str) -> dict[str, float]:
    """Load a mode from its folder, say 3 seconds; loading time in seconds, peak memory in MB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    options = MODES[mode]
    if mode == "transformers":
        from transformers.models.bark.modeling_bark import BarkModel as TheirModel

        model = TheirModel.from_pretrained(folder).to(device)
    elif options and "quantize" in options:
        model = load(folder)
    else:
        model = BarkModel.from_pretrained(folder).to(device)
        model = model if options is None else optimize(model, **options)
    loaded = time.perf_counter() - started
    ids, n_tokens = torch.full((1, 256), 60, device=device), round(3 * SEMANTIC_RATE_HZ)
    stages = (their_stages if mode == "transformers" else our_stages)(model, ids, n_tokens)
    given = reference_tokens(1, n_tokens, device)
    started = time.perf_counter()
    with torch.no_grad():
        for stage in STAGES:
            stages[stage](given[stage])
    said = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures = {"load_s": loaded, "first_sound_s": loaded + said, "imports_mb": before / 1024, "peak_mb": peak / 1024}
    if device.startswith("cuda"):
        figures["peak_gpu_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return {name: round(value, 2) for name, value in figures.items()}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", default="transformers,exact,int8", help=f"of {', '.join(MODES)}; the first is 1.0")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of sound per item")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="0: no timing")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="0: torch's choice")
    parser.add_argument("--memory", action="store_true", help="loading time and peak memory too")
    parser.add_argument("--json", type=Path, help="write everything that was measured")
    parser.add_argument("--plot", type=Path, help="write a picture")
    parser.add_argument("--one", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.modes = arguments.modes.split(",")
    unknown = [mode for mode in arguments.modes if mode not in MODES]
    if unknown:
        parser.error(f"--modes has {unknown[0]!r}; there are {', '.join(MODES)}")
    return arguments


def main() -> None:
    arguments = parse()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.folder, arguments.device)))
        return
    result: dict[str, Any] = {"machine": platform.processor() or platform.machine()}
    if arguments.rounds:
        result |= measure(arguments)
        print(f"\n{table(arguments, result)}")
        if arguments.plot:
            plot(arguments, result, arguments.plot)
    if arguments.memory:
        result["memory"] = memory(arguments)
    if arguments.json:
        options = {key: str(value) for key, value in vars(arguments).items()}
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        arguments.json.write_text(json.dumps(result | {"options": options, "versions": versions}, indent=2))


if __name__ == "__main__":
    main()
