"""`bark-hf bench`: this machine's speed and memory in each mode, beside Transformers' own Bark."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..generation_options import near_match
from .common import JsonOption, UsageError, only_our_words, print_json, say_note, say_warning

DEFAULT_MODES = "transformers,exact,int8"


class Size(str, Enum):
    """Of the networks; see `benchmarking.pair.SIZES`."""

    tiny = "tiny"
    small = "small"
    large = "large"


def bench(
    modes: Annotated[
        str, typer.Option(metavar="A,B", help="transformers, exact, bfloat16, int8, int4, graphs, compiled.")
    ] = DEFAULT_MODES,
    size: Annotated[Size, typer.Option(help="Size of the networks, with random weights.")] = Size.small,
    seconds: Annotated[float, typer.Option(min=0.1, max=15.0, help="Seconds of sound per item.")] = 10.0,
    batch: Annotated[int, typer.Option(min=1, help="Items at once.")] = 1,
    rounds: Annotated[int, typer.Option(min=0, help="0: no timing, for --memory alone.")] = 3,
    memory: Annotated[
        bool, typer.Option("--memory", help="Loading time and peak memory too, each mode in its own process.")
    ] = False,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:N, mps or xpu.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="Default: torch's choice.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Picture of the stages' times, PNG.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure speed and memory of each mode on this machine.

    All modes get the same random weights and the same tokens, in turns. The first mode is the one that the others are
    compared with.
    """
    names = _modes(modes, rounds, memory)
    if plot is not None and not plot.resolve().parent.is_dir():
        raise UsageError(f"--plot {plot}: folder {plot.resolve().parent} does not exist; create it first")
    with only_our_words():
        import torch

        from ..benchmarking import measure, report
        from ..benchmarking.memory import memory as measure_memory
        from ..evaluation.packages import needed

        if plot is not None:
            needed("matplotlib.figure", "--plot")
        if threads is not None:
            torch.set_num_threads(threads)
        result: dict[str, Any] = {"machine": report.machine()}
        if rounds:
            measured = measure(names, size.value, seconds, batch, rounds, device, say_note)
            result |= measured.to_dict()
            for fault in measured.faults:
                say_warning(f"{fault}: its figures are too good")
            if plot is not None:
                report.plot(measured, plot)
        if memory:
            result["memory"] = measure_memory(names, size.value, device, say_note)
    if as_json:
        print_json(result)
        return
    print(f"{json.dumps(result['machine'])}\n")
    if rounds:
        print(f"{report.heading(measured)}\n\n{report.table(measured)}\n")
        for stage, equal in measured.tokens_equal.items():
            print(f"{stage}: exact mode and transformers made {'the same' if equal else 'different'} tokens")
    if memory:
        print(f"\n{report.memory_table(result['memory'])}")


def _modes(text: str, rounds: int, memory: bool) -> list[str]:
    """The names in a list, checked."""
    from ..benchmarking.modes import MODES

    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in MODES:
            hint = near_match(name, MODES)
            raise UsageError(f"--modes has {name!r}, which is no mode;{hint} there are {', '.join(MODES)}")
    if not names or len(set(names)) < len(names):
        raise UsageError(f"--modes {text!r} must name each mode once; an example is {DEFAULT_MODES}")
    if not rounds and not memory:
        raise UsageError("--rounds 0 measures nothing; it is for --memory alone; add --memory or give rounds")
    return names
