"""`bark-hf doctor`: what this machine has for Bark, what is missing, and how to get it.

Knows how findings are shown; what is looked at is in `checks`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from .checks import Finding, State, examine
from .common import FAILED, JsonOption, print_json, say_error


def doctor(
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="MODEL", help="Also check this checkpoint: a folder or a Hub name."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Check installation, devices, cache and models.

    The exit code is 1 if something needed is broken.
    """
    findings = examine(model)
    broken = [finding for finding in findings if finding.state is State.broken]
    if as_json:
        print_json({"usable": not broken, "checks": [finding.to_dict() for finding in findings]})
    else:
        print_findings(findings)
    for finding in broken:
        say_error("; ".join(filter(None, (f"{finding.name}: {finding.value}", finding.remedy))))
    return FAILED if broken else 0


def print_findings(findings: list[Finding]) -> None:
    """One line per finding (state, name, what was found) and, where needed, one more with the remedy."""
    from rich.console import Console
    from rich.text import Text

    colours = {State.ok: "green", State.note: "yellow", State.broken: "bold red"}
    width = max(len(finding.name) for finding in findings)
    console = Console(soft_wrap=True, highlight=False)  # commands must not be broken into lines
    for finding in findings:
        line = Text(f"{finding.state.value:<6}  ", style=colours[finding.state])
        console.print(line.append(f"{finding.name:<{width}}  {finding.value}", style="default"))
        if finding.remedy:
            console.print(Text(f"{'':<{width + 10}}-> {finding.remedy}", style="italic"))
