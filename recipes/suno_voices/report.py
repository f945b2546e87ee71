"""Held-out losses of the two trained networks against counting: a table on the terminal, a picture.

python recipes/suno_voices/report.py OUT [--plot docs/images/suno_voices.png]
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from losses import Labels, coarse_labels, fine_labels, logged_unigram, unigram
from transformers.utils import logging

from bark_hf.training.callbacks import read_log
from bark_hf.training.dataset import clip_of, load_prepared
from bark_hf.training.source import load_source

NETWORK, UNIGRAM, UNIFORM = "#3b6ea5", "#c0392b", "#777777"
STAGES = {"coarse": coarse_labels, "fine": fine_labels}


class Line(NamedTuple):
    """A row of the table: nats, and on how many of the voices the network (`limited`) is below the unigram."""

    stage: str
    codebook: str
    labels: int
    unigram: float
    loss: float
    limited: float
    better: int


def lines_of(stage: str, labels: Labels, table: np.ndarray) -> list[Line]:
    """One line per codebook, and one for all of them."""
    costs = table[labels.codebook, labels.code]
    codebooks = np.unique(labels.codebook).tolist()
    lines = []
    for name, chosen in [*((str(k), labels.codebook == k) for k in codebooks), ("all", labels.codebook >= 0)]:
        voices = labels.voice[chosen]
        gain = np.bincount(voices, (costs - labels.limited)[chosen])
        means = [float(values[chosen].mean()) for values in (costs, labels.loss, labels.limited)]
        lines.append(Line(stage, name, int(chosen.sum()), *means, int((gain > 0).sum())))
    return lines


def markdown(lines: list[Line], n_voices: int) -> str:
    """The table as the documentation shows it."""
    rows = [
        "| stage | codebook | codes | uniform | unigram | network | network, 1,024 codes | below unigram |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        values = " | ".join(f"{value:.3f}" for value in (math.log(1_024), line.unigram, line.loss, line.limited))
        rows.append(
            f"| {line.stage} | {line.codebook} | {line.labels:,} | {values} | {line.better} of {n_voices} voices |"
        )
    return "\n".join(rows)


def draw(lines: list[Line], logs: dict[str, list[dict[str, float]]], level: dict[str, float], path: Path) -> None:
    """The losses over the steps of both trainings, and the bars of each codebook at the end."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.4), layout="constrained", dpi=110)
    places: Any = figure.subplots(1, 3, width_ratios=[1, 1, 1.5])
    for axes, stage in zip(places, STAGES, strict=False):
        for key, style, label in (("loss", ":", "in training"), ("eval_loss", "o-", "held out")):
            points = [(line["step"], line[key]) for line in logs[stage] if key in line]
            axes.plot(*zip(*points, strict=True), style, color=NETWORK, label=label, markersize=4)
        axes.axhline(level[stage], color=UNIGRAM, label="unigram, held out")
        axes.axhline(math.log(1_024), color=UNIFORM, linestyle="--", label="uniform over 1,024")
        axes.set_title(f"{stage.capitalize()} network")
        axes.set_xlabel("optimizer step")
        axes.set_ylabel("nats per code")
        axes.set_ylim(top=math.log(1_024) + 0.2)
        axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.9))
    _draw_bars(places[2], [line for line in lines if line.codebook != "all"])
    for axes in places:
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _draw_bars(axes: Any, lines: list[Line]) -> None:
    at = np.arange(len(lines))
    for shift, values, color, label in (
        (-0.2, [line.unigram for line in lines], UNIGRAM, "unigram"),
        (0.2, [line.limited for line in lines], NETWORK, "network"),
    ):
        bars = axes.bar(at + shift, values, 0.38, color=color, label=label)
        axes.bar_label(bars, fmt="%.2f", fontsize=8)
    axes.axhline(math.log(1_024), color=UNIFORM, linestyle="--", label="uniform")
    axes.set_xticks(at, [f"{line.codebook}\n{line.stage}" for line in lines])
    axes.set_ylim(4, 7.4)
    axes.set_xlabel("codebook")
    axes.set_ylabel("nats per code (axis starts at 4)")
    axes.set_title("Held-out voices, among the codebook's 1,024 codes")
    axes.legend(frameon=False, ncols=3, loc="upper left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--plot", type=Path, help="write the picture here")
    args = parser.parse_args()

    table = unigram([clip_of(row).codes.numpy() for row in load_prepared(args.out / "train")])
    data = load_prepared(args.out / "held_out")
    lines, logs, level = [], {}, {}
    logging.set_verbosity_error()  # a list of the weights that nobody has trained
    for stage, measure in STAGES.items():
        model = load_source(args.out / "runs" / stage / "model").model.eval()
        lines += lines_of(stage, measure(model, data), table)
        logs[stage] = read_log(args.out / "runs" / stage / "log.jsonl")
        level[stage] = logged_unigram(stage, data, model.generation_config, table)
    print(markdown(lines, len(data)))
    if args.plot:
        draw(lines, logs, level, args.plot)
        print(args.plot)


if __name__ == "__main__":
    main()
