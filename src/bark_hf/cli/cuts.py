"""Sound that was cut because the model did not come to an end: how the user hears of it. Knows numbers of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .common import say_warning

if TYPE_CHECKING:
    from ..generation_configuration_bark import BarkSemanticGenerationConfig


def warn_of_cuts(stage: BarkSemanticGenerationConfig, n_tokens: Sequence[int], in_pieces: bool = False) -> None:
    """One line if the semantic stage ended at `max_new_tokens`; an end at --max-duration is asked for.

    Args:
        stage: the options that governed it.
        n_tokens: of the text, or of each piece.
        in_pieces: whether pieces are named.
    """
    cut = [str(place) for place, length in enumerate(n_tokens) if length >= stage.max_new_tokens]
    if not cut:
        return
    who = f"piece{'s' * (len(cut) > 1)} {', '.join(cut)} had" if in_pieces else "the model had"
    most = f"{stage.max_new_tokens} semantic tokens ({stage.max_new_tokens / stage.semantic_rate_hz:.1f} s)"
    say_warning(
        f"{who} not come to an end after {most}, the most that this checkpoint says at once, and the sound is cut "
        "there; try another --seed, --candidates 4 or a shorter --piece-seconds"
    )


__all__ = ["warn_of_cuts"]
