"""What was measured as a table in Markdown, as JSON and as a picture."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch
import transformers

from ..tokens import CoarseRules
from .measuring import Measured
from .pair import STAGES


def heading(measured: Measured) -> str:
    """What was measured, where, how often."""
    rounds = len(next(iter(measured.seconds.values()))["codec"])
    return (
        f"bark-{measured.size}, random weights, {measured.device}, {measured.sound:.1f} s of sound in a batch of "
        f"{measured.batch}, medians of {rounds} rounds in turns"
    )


def machine() -> dict[str, Any]:
    """Processor, threads and versions."""
    return {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def processor() -> str:
    """Its name, and which of the features that count for Bark it has."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in _lines(cpuinfo) if line.startswith("model name")]
    has = {"AVX-512 VNNI": torch.cpu._is_vnni_supported(), "AMX": torch.cpu._is_amx_tile_supported()}
    features = [feature for feature, there in has.items() if there]
    return ", ".join([names[0] if names else platform.processor() or platform.machine(), *features])


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []


def table(measured: Measured) -> str:
    """One line per mode; the first is the one that the others are compared with."""
    steps = {"semantic": measured.n_tokens, "coarse": CoarseRules().n_steps(measured.n_tokens)}
    lines = [
        "| mode | semantic, ms a step | coarse, ms a step | fine, s | codec, s | real-time factor | times faster |",
        "|---|---|---|---|---|---|---|",
    ]
    first = measured.total(next(iter(measured.seconds)))
    for mode in measured.seconds:
        per_step = " | ".join(f"{1e3 * measured.median(mode, stage) / n:.1f}" for stage, n in steps.items())
        rest = " | ".join(f"{measured.median(mode, stage):.2f}" for stage in ("fine", "codec"))
        total = measured.total(mode)
        lines.append(f"| {mode} | {per_step} | {rest} | {total / measured.sound:.2f} | {first / total:.2f} |")
    return "\n".join(lines)


def memory_table(figures: dict[str, dict[str, float]]) -> str:
    """One line per mode."""
    names = {
        "load_s": "loading, s",
        "first_sound_s": "3 s of sound from a folder, s",
        "imports_mb": "after imports, MB",
        "peak_mb": "peak, MB",
        "peak_gpu_mb": "peak on the GPU, MB",
    }
    columns = [name for name in names if any(name in figure for figure in figures.values())]
    lines = [f"| mode | {' | '.join(names[name] for name in columns)} |", "|---" * (1 + len(columns)) + "|"]
    for mode, figure in figures.items():
        cells = (f"{figure[name]:,.0f}" if name.endswith("mb") else f"{figure[name]:.1f}" for name in columns)
        lines.append(f"| {mode} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(measured: Measured, path: Path) -> None:
    """Seconds of work per second of sound, stage on stage, one bar per mode."""
    from matplotlib.figure import Figure

    modes = list(measured.seconds)
    figure = Figure(figsize=(8, 0.6 * len(modes) + 1.5))
    axes = figure.subplots()
    left = [0.0] * len(modes)
    for stage in STAGES:
        widths = [measured.median(mode, stage) / measured.sound for mode in modes]
        axes.barh(modes, widths, left=left, label=stage)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for place, total in enumerate(left):
        axes.text(total, place, f" {total:.2f}", va="center")
    axes.invert_yaxis()
    axes.axvline(1.0, color="grey", linewidth=0.8, linestyle=":")
    axes.set(
        xlabel="seconds of work per second of sound (dotted: real time)",
        title=f"bark-{measured.size}, batch {measured.batch}",
    )
    axes.margins(x=0.12)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
