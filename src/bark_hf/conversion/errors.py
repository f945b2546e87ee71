"""The one error of a conversion. Knows nothing else."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 5  # names listed in a message before "and N more"


class ConversionError(ValueError):
    """An input that can't be converted, or an output that can't be written; the message is one line for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def listed(names: Iterable[str]) -> str:
    """The first few of `names`, sorted, and how many more there are."""
    names = sorted(names)
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
