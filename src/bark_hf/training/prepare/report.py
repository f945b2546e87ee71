"""What a preparation took, left out, and why: counts, a JSON file, a table.

Knows reasons and how they are shown. Must not know how clips are checked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .clips import NOTES, REASONS, Refusal

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class PrepareReport:
    """The outcome of a preparation, or of a part of it.

    Attributes:
        clips: how many were taken.
        seconds: of sound that was taken.
        refused: the clips that were left out.
        notes: note -> how many of the clips taken it is about.
        speakers: speaker -> [clips, seconds].
        settings: what the data was made with.
    """

    clips: int = 0
    seconds: float = 0.0
    refused: list[Refusal] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    speakers: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0, 0.0]))
    settings: dict[str, Any] = field(default_factory=dict)

    def take(self, speaker: str, seconds: float, notes: Iterable[str]) -> None:
        """Count a clip that was taken."""
        self.clips += 1
        self.seconds += seconds
        self.notes.update(notes)
        self.speakers[speaker][0] += 1
        self.speakers[speaker][1] += seconds

    def add(self, other: PrepareReport) -> None:
        """Count another part."""
        self.clips += other.clips
        self.seconds += other.seconds
        self.refused += other.refused
        self.notes.update(other.notes)
        for speaker, (clips, seconds) in other.speakers.items():
            self.speakers[speaker][0] += clips
            self.speakers[speaker][1] += seconds

    def reasons(self) -> dict[str, int]:
        """Reason -> how many clips were left out for it, in the order of `REASONS`."""
        counts = Counter(refusal.reason for refusal in self.refused)
        return {reason: counts[reason] for reason in REASONS if counts[reason]}

    def to_dict(self) -> dict[str, Any]:
        """For `report.json`; `from_dict` reads it."""
        return {
            "clips": self.clips,
            "seconds": round(self.seconds, 3),
            "refused_clips": len(self.refused),
            "reasons": self.reasons(),
            "notes": dict(self.notes),
            "speakers": {name: {"clips": n, "seconds": round(s, 3)} for name, (n, s) in self.speakers.items()},
            "refused": [refusal.to_dict() for refusal in self.refused],
            "settings": self.settings,
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> PrepareReport:
        """The report that `to_dict` described."""
        report = cls(
            clips=content["clips"],
            seconds=content["seconds"],
            refused=[Refusal(**refusal) for refusal in content["refused"]],
            notes=Counter(content["notes"]),
            settings=content["settings"],
        )
        for name, part in content["speakers"].items():
            report.speakers[name] = [part["clips"], part["seconds"]]
        return report

    def summary(self) -> str:
        """One line."""
        total = self.clips + len(self.refused)
        return f"{self.clips} of {total} clips, {spoken_time(self.seconds)}, {len(self.speakers)} speaker(s)"

    def table(self) -> Table:
        """Reasons and notes with their counts and one example each, for a terminal."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for name, justify in (("clips", "right"), ("what", "left"), ("example", "left")):
            table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
        first = {refusal.reason: refusal for refusal in reversed(self.refused)}
        for reason, count in self.reasons().items():
            example = first[reason]
            shown = f"{example.file}: {example.value} (limit {example.limit})"
            table.add_row(str(count), f"refused: {REASONS[reason]}", shown)
        for note, count in self.notes.items():
            table.add_row(str(count), f"taken: {NOTES[note]}", "")
        return table


def spoken_time(seconds: float) -> str:
    """A length for people: seconds, minutes or hours."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


__all__ = ["PrepareReport", "spoken_time"]
