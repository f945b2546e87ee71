"""Loading time and peak memory of a mode, in a process of its own: load it from a folder, say 3 seconds.

python -m bark_hf.benchmarking.memory MODE FOLDER [--device cpu] [--threads 2]
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ..acceleration import load, optimize
from ..modeling_bark import BarkModel
from .modes import MODES, TRANSFORMERS
from .pair import STAGES, build, n_semantic, our_stages, random_text, random_tokens, their_stages

SECONDS = 3.0


def memory(
    modes: Sequence[str], size: str, device: str, say: Callable[[str], None] = lambda line: None
) -> dict[str, dict[str, float]]:
    """Figures of each mode, see `one`. Quantised modes are loaded from quantised folders."""
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch, "plain")
        ours, _ = build(size, "cpu")
        ours.save_pretrained(plain)
        for mode in modes:
            options, folder = MODES[mode], plain
            if _is_quantised(mode):
                folder = Path(scratch, mode)
                optimize(copy.deepcopy(ours), **options or {}).save_pretrained(folder)
            command = [sys.executable, "-m", __name__, mode, str(folder), "--device", device]
            command += ["--threads", str(torch.get_num_threads())]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            figures[mode] = json.loads(output.splitlines()[-1])
            say(f"{mode}: {figures[mode]}")
    return figures


def one(mode: str, folder: Path, device: str) -> dict[str, float]:
    """Seconds to load and to the end of 3 seconds of sound, the latter with loading; memory in MB, imports included."""
    imports, started = peak_mb(), time.perf_counter()
    options = MODES[mode]
    model: Any
    if mode == TRANSFORMERS:
        from transformers.models.bark.modeling_bark import BarkModel as TheirModel

        model = TheirModel.from_pretrained(folder).to(device)
    elif _is_quantised(mode):
        model = load(folder)
    else:
        model = BarkModel.from_pretrained(folder).to(device)
        model = model if options is None else optimize(model, **options)
    loaded, n_tokens = time.perf_counter() - started, n_semantic(SECONDS)
    stages = (their_stages if mode == TRANSFORMERS else our_stages)(model, random_text(1, device), n_tokens)
    given = random_tokens(1, n_tokens, device)
    with torch.no_grad():
        for stage in STAGES:
            stages[stage](given[stage])
    figures = {
        "load_s": loaded,
        "first_sound_s": time.perf_counter() - started,
        "imports_mb": imports,
        "peak_mb": peak_mb(),
    }
    if device.startswith("cuda"):
        figures["peak_gpu_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return {name: round(value, 2) for name, value in figures.items()}


def peak_mb() -> float:
    """Most resident memory that this process has had, in MiB.

    On Linux from the kernel's own record: `ru_maxrss` counts what the parent had when it started this process.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10  # kB
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _is_quantised(mode: str) -> bool:
    return "quantize" in (MODES[mode] or {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    print(json.dumps(one(arguments.mode, arguments.folder, arguments.device)))


if __name__ == "__main__":
    main()
