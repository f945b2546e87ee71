"""The options of `bark-hf say` that make it read in pieces, and which of them go together. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import UsageError

if TYPE_CHECKING:
    from ..generation_configuration_bark import BarkSemanticGenerationConfig

ScriptOption = Annotated[
    Path | None,
    typer.Option("--script", metavar="FILE", help="Read a dialogue: lines 'NAME: text' in a UTF-8 file."),
]
CastOption = Annotated[
    list[str] | None,
    typer.Option("--cast", metavar="NAME=VOICE", help="Who has which voice in --script; repeat it."),
]
CandidatesOption = Annotated[
    int | None, typer.Option("--candidates", metavar="N", help="Make N takes of each piece and keep the best.")
]
CheckOption = Annotated[
    str | None,
    typer.Option(
        "--check-with", metavar="RECOGNISER", help="Listen to --candidates: faster-whisper:MODEL or transformers:MODEL."
    ),
]
PieceOption = Annotated[
    float | None,
    typer.Option("--piece-seconds", metavar="SECONDS", help="Length of the pieces. Default: 10; of the demo 3.4."),
]
FirstOption = Annotated[
    float | None,
    typer.Option("--first-seconds", metavar="SECONDS", help="Length of the first piece, for an earlier --stream."),
]
AnchorOption = Annotated[
    int | None, typer.Option("--anchor-every", metavar="N", help="Pieces between anchors of --voice-mode hybrid.")
]
LanguageOption = Annotated[
    str | None, typer.Option("--language", metavar="CODE", help="Of the text. Default: the voice's, or by the script.")
]
ResumeOption = Annotated[
    Path | None,
    typer.Option("--resume-to", metavar="FOLDER", help="Keep the pieces there; the same command goes on with them."),
]
RetakeOption = Annotated[
    list[int] | None,
    typer.Option("--retake", metavar="N", help="Make piece N of --resume-to again, from 0; repeat it."),
]
BatchOption = Annotated[int | None, typer.Option("--batch-size", metavar="N", help="Pieces at once. Default: 4.")]


class VoiceMode(str, Enum):
    """What a piece continues."""

    fixed = "fixed"
    rolling = "rolling"
    hybrid = "hybrid"


ModeOption = Annotated[
    VoiceMode | None,
    typer.Option("--voice-mode", help="Pieces continue the voice, the piece before, or both. Default: fixed."),
]


@dataclass(frozen=True)
class LongOptions:
    """What was given; see the options' help. None and empty lists are what was not given."""

    script: Path | None = None
    cast: list[str] | None = None
    candidates: int | None = None
    check_with: str | None = None
    voice_mode: VoiceMode | None = None
    anchor_every: int | None = None
    piece_seconds: float | None = None
    first_seconds: float | None = None
    language: str | None = None
    resume_to: Path | None = None
    retake: list[int] = field(default_factory=list)
    batch_size: int | None = None

    @property
    def any_given(self) -> bool:
        """Whether one of them asks for reading in pieces."""
        return any(getattr(self, option.name) not in (None, []) for option in fields(self))

    def keywords(self) -> dict[str, object]:
        """Of `read_long`, as far as they were given."""
        given = {
            "candidates": self.candidates,
            "voice_mode": None if self.voice_mode is None else self.voice_mode.value,
            "anchor_every": self.anchor_every,
            "piece_seconds": self.piece_seconds,
            "first_seconds": self.first_seconds,
            "language": self.language,
            "batch_size": self.batch_size,
        }
        return {name: value for name, value in given.items() if value is not None}

    def voices(self) -> dict[str, str]:
        """--cast as name -> voice.

        Raises:
            UsageError: for one that is not NAME=VOICE, or a name twice.
        """
        found: dict[str, str] = {}
        for entry in self.cast or []:
            name, _, voice = (part.strip() for part in entry.partition("="))
            if not name or not voice:
                raise UsageError(f"--cast {entry!r} is not NAME=VOICE; give it as in --cast John=v2/en_speaker_2")
            if name in found:
                raise UsageError(f"--cast names {name!r} twice; a name has one voice; drop one")
            found[name] = voice
        return found

    def check(
        self, text: str | None, file: Path | None, voice: str | None, save_voice: Path | None, greedy: bool
    ) -> None:
        """Refuse what does not go together.

        Raises:
            UsageError: naming the two options, or the value and its limit.
        """
        if self.script is None and self.cast:
            raise UsageError("--cast needs --script; it says who has which voice there; give both")
        if self.script is not None:
            others = {"TEXT": text, "--file": file, "--voice": voice, "--save-voice": save_voice}
            for name, value in others.items():
                if value is not None:
                    raise UsageError(f"--script and {name} exclude each other; a script has its own; drop one")
            self.voices()
        for name in ("candidates", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')} {value} must be at least 1; leave it out for the default")
        if greedy and (self.candidates or 1) > 1:
            raise UsageError("--greedy and --candidates exclude each other; greedy takes are all the same; drop one")
        if self.check_with is not None and (self.candidates or 1) < 2:
            raise UsageError("--check-with chooses among takes; it needs --candidates of at least 2; give it")
        if self.anchor_every is not None and (self.voice_mode != VoiceMode.hybrid or self.anchor_every < 2):
            raise UsageError(f"--anchor-every {self.anchor_every} needs --voice-mode hybrid and at least 2; give both")
        for name in ("piece_seconds", "first_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"--{name.replace('_', '-')} {value:g} must be above 0; leave it out for the default")
        if self.retake and self.resume_to is None:
            raise UsageError("--retake needs --resume-to; only kept pieces can be made again; give the folder")


def needs_pieces(text: str, stage: BarkSemanticGenerationConfig) -> bool:
    """Whether a text has paragraphs, pause marks, or more than a checkpoint says at once.

    Args:
        text: any.
        stage: the checkpoint's semantic options, of which `max_new_tokens` is the limit.
    """
    from ..longform.marks import parse_runs
    from ..longform.sizing import expected_seconds, guess_language, piece_lengths

    runs = parse_runs(text)
    marked = len(runs) > 1 or any(run.silence is not None for run in runs)
    limit = piece_lengths(stage.max_new_tokens, stage.semantic_rate_hz).limit
    return marked or expected_seconds(text, guess_language(text)) > limit
