"""`bark-hf train STAGE`: one subcommand per training, whose options are the fields of its recipe; and `merge`.

A training's module is imported when its subcommand is asked for, and not to list the others.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .common import only_our_words
from .merge import merge

MERGE = "merge"


class Stages(TyperGroup):
    """The trainings as subcommands."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order in which a checkpoint is made."""
        from ..training.stages import STAGES

        return [*STAGES, MERGE]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The subcommand, built from its recipe's fields; None for an unknown name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        if cmd_name == MERGE:
            return _single(MERGE, merge)
        return _command(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of trainings for --help, without importing any."""
        from ..training.stages import STAGES

        with formatter.section("Commands"):
            formatter.write_dl([(name, stage.help) for name, stage in STAGES.items()])
            formatter.write_dl([(MERGE, "saved adapters -> a whole checkpoint")])


train = typer.Typer(
    name="train",
    cls=Stages,
    help="Train one stage of a checkpoint, its codec or its semantic tokenizer.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@train.callback()
def _train() -> None:
    """Train one stage of a checkpoint, its codec or its semantic tokenizer."""


def _command(name: str) -> Any:
    """A command with one option per field of the recipe."""
    from ..training.recipe import load_recipe
    from ..training.stages import STAGES, find_stage

    recipe_class, function = find_stage(name)

    def run(**options: Any) -> None:
        config = options.pop("config")
        given = {field: value for field, value in options.items() if value is not None}
        with only_our_words():
            recipe = load_recipe(recipe_class, config, given)
            from ..registration import register

            register()  # a checkpoint's codec may be one of ours
            result = function(recipe)
        if os.environ.get("RANK", "0") == "0":  # one of several processes speaks for all
            print(result)

    run.__doc__ = f"Train {STAGES[name].help}. A flag wins over the recipe's line."
    _set_parameters(run, [_config_parameter(), *(_parameter(spec) for spec in dataclasses.fields(recipe_class))])
    return _single(name, run)


def _single(name: str, function: Callable[..., None]) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name)(function)
    return typer.main.get_command(app)


def _set_parameters(function: Callable[..., None], parameters: list[inspect.Parameter]) -> None:
    """Give a function that takes any keywords the signature that typer reads."""
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _config_parameter() -> inspect.Parameter:
    option = typer.Option("--config", "-c", metavar="FILE", help="Recipe: YAML with one 'field: value' per line.")
    return _keyword("config", Annotated[Path | None, option])


def _parameter(spec: dataclasses.Field[Any]) -> inspect.Parameter:
    """A field as an option; texts are read by the recipe, so that its errors are the same from file and flag."""
    flag = f"--{spec.name.replace('_', '-')}"
    text = spec.metadata["help"]
    if spec.default is not dataclasses.MISSING and spec.default not in (None, ()):
        shown = ",".join(spec.default) if isinstance(spec.default, tuple) else spec.default
        text = f"{text} [default: {shown}]"
    if isinstance(spec.default, bool):
        flags = f"{flag}/--no-{flag[2:]}"
        return _keyword(spec.name, Annotated[bool | None, typer.Option(flags, help=text)])
    choices = spec.metadata["choices"]
    metavar = "|".join(choices) if choices and len(choices) < 6 else "VALUE"
    return _keyword(spec.name, Annotated[str | None, typer.Option(flag, metavar=metavar, help=text)])


def _keyword(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


__all__ = ["train"]
