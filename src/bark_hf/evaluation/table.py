"""Results as tables on a terminal. Knows rich; knows no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .results import Group, Results

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_results(results: Results, console: Console, worst: int = 5) -> None:
    """Groups, similarities, speed, losses and the worst items.

    Args:
        results: what was found.
        console: where to print.
        worst: items with the highest word error rate to show.
    """
    from rich.table import Table

    if results.items:
        console.print(_groups(results.groups))
    similar = results.similarities
    if similar is not None:
        table = Table("speaks", *similar.columns, title=f"speaker similarity ({similar.encoder}, cosine)")
        for name, row in zip(similar.rows, similar.values, strict=True):
            table.add_row(name, *("-" if value != value else f"{value:.2f}" for value in row))
        console.print(table)
    if results.losses is not None:
        table = Table("stage", "loss", "nats", title="teacher-forced losses")
        for stage, losses in results.losses.items():
            for name, value in losses.items():
                table.add_row(stage, name, f"{value:.3f}")
        console.print(table)
    for item in sorted(results.items, key=lambda item: -(item.word_error_rate or 0))[:worst]:
        if item.word_error_rate:
            line = f"{item.word_error_rate:.0%} {item.clip.voice}: {item.clip.text!r} heard as {item.heard!r}"
            console.print(line, markup=False, highlight=False)
    if results.speed is not None and results.speed.real_time_factor is not None:
        stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in results.speed.stage_seconds.items())
        console.print(f"real-time factor {results.speed.real_time_factor:.2f} ({stages})")


def _groups(groups: list[Group]) -> Table:
    from rich.table import Table

    table = Table("stage", "voice", "clips", "seconds", "WER", "95 %", "CER", "similarity", "anomalies")
    for group in groups:
        rates = ["-", "-", "-"]
        if group.wer is not None and group.cer is not None:
            rates = [f"{group.wer.value:.1%}", f"{group.wer.low:.1%}-{group.wer.high:.1%}", f"{group.cer.value:.1%}"]
        table.add_row(
            group.stage,
            group.voice,
            str(group.n),
            f"{group.seconds:.1f}",
            *rates,
            "-" if group.similarity is None else f"{group.similarity:.2f}",
            ", ".join(f"{name} {count}" for name, count in group.anomalies.items()) or "-",
        )
    return table
