"""What `bark-hf say` did with a long text, as values, as JSON and as text. Knows nothing of how it is done."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .summary import circumstances

if TYPE_CHECKING:
    from ..longform import LongResult
    from ..modeling_bark import BarkModel


@dataclass(frozen=True)
class LongStatistics:
    """One run.

    Attributes:
        output: the sound file, or "-".
        seconds, samples, sampling_rate: the joined sound's length.
        rtf: seconds of generation per second of sound that was generated; None if everything was there already.
        load_seconds: reading processor and model.
        stage_seconds: stage -> seconds of generation.
        seed: all pieces' seeds come from it.
        resumed: pieces that an earlier run had finished.
        segments: see `Segment.to_dict`.
        unspoken: parts of the text without a letter, digit or tag, where only a pause is.
        voice: as given; for a script name -> voice.
        folder, save_voice, model: as given.
        device, dtype, attn_implementation: of the model.
        versions: of Python and of the packages that the result depends on.
        first_sound_seconds: of a stream: from the begin of generation to the first sound; None otherwise.
    """

    output: str
    seconds: float
    samples: int
    sampling_rate: int
    rtf: float | None
    load_seconds: float
    stage_seconds: dict[str, float]
    seed: int
    resumed: int
    segments: list[dict[str, Any]]
    unspoken: list[str]
    voice: str | dict[str, str] | None
    folder: str | None
    save_voice: str | None
    model: str
    device: str
    dtype: str
    attn_implementation: str
    versions: dict[str, str]
    first_sound_seconds: float | None = None

    @classmethod
    def of(
        cls,
        result: LongResult,
        network: BarkModel,
        stage_seconds: dict[str, float],
        *,
        made: Collection[int],
        load_seconds: float,
        **given: Any,
    ) -> LongStatistics:
        """From a result; `made` are the pieces generated in this run, `given` the fields that the user gave."""
        rate, work = result.sampling_rate, sum(stage_seconds.values())
        sound = sum(record.samples for record in result.records if record.index in made) / rate
        return cls(
            seconds=round(result.seconds, 4),
            samples=result.samples,
            sampling_rate=rate,
            rtf=round(work / sound, 4) if sound else None,
            load_seconds=round(load_seconds, 4),
            stage_seconds={stage: round(seconds, 4) for stage, seconds in stage_seconds.items()},
            seed=result.seed,
            segments=[segment.to_dict() for segment in result.segments],
            unspoken=list(result.unspoken),
            **circumstances(network),
            **given,
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        fields = asdict(self)
        if self.first_sound_seconds is None:
            del fields["first_sound_seconds"]
        return fields

    def __str__(self) -> str:
        work = sum(self.stage_seconds.values())
        kept = f", {self.resumed} of them from an earlier run" if self.resumed else ""
        speed = "" if self.rtf is None else f"real-time factor {self.rtf:.2f}, "
        lines = [
            f"{self.output}: {self.seconds:.2f} s of sound, {self.sampling_rate} Hz, {len(self.segments)} pieces{kept}",
            f"{speed}{work:.1f} s on {self.device}, {self.dtype}; loading {self.load_seconds:.1f} s; seed {self.seed}",
        ]
        if self.first_sound_seconds is not None:
            lines.append(f"first sound after {self.first_sound_seconds:.2f} s, the last after {work:.2f} s")
        faulty = [f"{s['index']} ({', '.join(s['faults'])})" for s in self.segments if s["faults"]]
        if faulty:
            lines.append(f"pieces to listen to: {', '.join(faulty)}; --resume-to FOLDER --retake N makes one again")
        if self.unspoken:
            lines.append(f"without words, so only a pause: {', '.join(map(repr, self.unspoken[:5]))}")
        if self.folder is not None:
            lines.append(f"pieces: {self.folder}")
        if self.save_voice is not None:
            lines.append(f"voice saved: {self.save_voice}")
        return "\n".join(lines)
