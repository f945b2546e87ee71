"""`bark-hf voices`: the presets of a checkpoint; its subcommands are in `voice_commands`.

Knows how presets are named; reads no voice and no weight.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .common import DEFAULT_MODEL, JsonOption, ModelOption, UsageError, only_our_words, print_json, say_warning
from .loading import check_model, load_processor
from .voice_commands import make, mix, show

voices = typer.Typer(name="voices", rich_markup_mode=None)


@voices.callback(invoke_without_command=True)
def list_voices(
    context: typer.Context,
    model: ModelOption = DEFAULT_MODEL,
    language: Annotated[
        str | None, typer.Option("--language", "-l", metavar="LANGUAGE", help="Only one language: de or German.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the voice presets of a checkpoint; make a voice from a recording, look at one."""
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    with only_our_words():
        code = None if language is None else language_code(language)
        names = load_processor(check_model(model)).available_voice_presets
    chosen = [name for name in names if code in (None, preset_language(name))]
    if as_json:
        print_json({"model": model, "voices": [{"name": name, "language": preset_language(name)} for name in chosen]})
    else:
        print_presets(chosen)
    if not chosen:
        what = "no voice presets" if not names else f"no voice presets for {language}, but {len(names)} for others"
        say_warning(f"{model} has {what}")


for _command in (make, show, mix):
    voices.command()(_command)


def _refuse_options_before(context: typer.Context) -> None:
    """Options of the list would be ignored by a subcommand."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--json" if name == "as_json" else f"--{name}"
            raise UsageError(
                f"{option} stands before {context.invoked_subcommand}, where it means the list of voices; put the "
                "options behind the subcommand"
            )


def language_code(language: str) -> str:
    """The code of a language given by its code or its English name.

    Raises:
        UsageError: for a language that Bark does not speak.
    """
    from ..voices import SUPPORTED_LANGUAGES

    for known in SUPPORTED_LANGUAGES:
        if language.lower() in (known.code, known.name.lower()):
            return known.code
    listed = ", ".join(f"{known.code} ({known.name})" for known in SUPPORTED_LANGUAGES)
    raise UsageError(f"--language {language!r} is unknown; Bark speaks {listed}; give one of them")


def preset_language(name: str) -> str | None:
    """The language's code in a preset's name, such as "de" in "v2/de_speaker_1", or None for a voice of no language."""
    from ..voices import SUPPORTED_LANGUAGES

    code = name.removeprefix("v2/").partition("_speaker_")[0]
    return code if code in {known.code for known in SUPPORTED_LANGUAGES} else None


def print_presets(names: list[str]) -> None:
    """A table on a terminal; name, tab, language in a pipe."""
    from ..voices import SUPPORTED_LANGUAGES

    languages = {known.code: known.name for known in SUPPORTED_LANGUAGES}
    rows = [(name, languages.get(preset_language(name) or "", "any")) for name in names]
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "language")
    for row in rows:
        table.add_row(*row)
    if rows:
        Console().print(table)
