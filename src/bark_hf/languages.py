"""The languages that Bark speaks, and the names of the presets that Suno published.

Knows names only; must not know what a voice consists of, or which presets a checkpoint has.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple


class Language(NamedTuple):
    """A language that Bark speaks, and the code that starts the names of its presets."""

    name: str
    code: str


SUPPORTED_LANGUAGES = (
    Language("English", "en"),
    Language("German", "de"),
    Language("Spanish", "es"),
    Language("French", "fr"),
    Language("Hindi", "hi"),
    Language("Italian", "it"),
    Language("Japanese", "ja"),
    Language("Korean", "ko"),
    Language("Polish", "pl"),
    Language("Portuguese", "pt"),
    Language("Russian", "ru"),
    Language("Turkish", "tr"),
    Language("Chinese", "zh"),
)

# The 271 voices that Suno published: ten per language in two generations, ten without a language, and an announcer.
SUNO_PRESETS = (
    "announcer",
    *(f"speaker_{n}" for n in range(10)),
    *(
        f"{version}{lang.code}_speaker_{n}"
        for version in ("", "v2/")
        for lang in SUPPORTED_LANGUAGES
        for n in range(10)
    ),
)


def near_presets(name: str, available: Sequence[str], limit: int = 3) -> list[str]:
    """Preset names that somebody who wrote `name` may have meant, best first.

    Args:
        name: what was written; a language's name finds that language's presets.
        available: the names to choose from.
        limit: return at most this many.
    """
    codes = [language.code for language in SUPPORTED_LANGUAGES if language.name.lower() in name.lower()]
    of_language = [
        preset for preset in available for code in codes if preset.removeprefix("v2/").startswith(f"{code}_")
    ]
    folded = {preset.lower(): preset for preset in available}
    similar = difflib.get_close_matches(name.lower(), list(folded), n=limit, cutoff=0.6)
    return list(dict.fromkeys([*(folded[match] for match in similar), *of_language]))[:limit]


__all__ = ["SUNO_PRESETS", "SUPPORTED_LANGUAGES", "Language", "near_presets"]
