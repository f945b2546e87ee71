"""What `bark-hf say` did, as values, as JSON and as text. Knows nothing of how it is done."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..modeling_bark import BarkModel


@dataclass(frozen=True)
class Statistics:
    """One run.

    Attributes:
        text: what was said.
        output: the sound file, or "-".
        seconds, samples, sampling_rate: the sound's length.
        rtf: real-time factor: seconds of generation per second of sound.
        load_seconds: reading processor and model, without importing Python packages.
        stage_seconds: stage -> seconds of generation.
        tokens: stage -> tokens that it made (semantic tokens, coarse codes, fine codes).
        seed: gives the same sound again; None if nothing was drawn.
        voice, save_voice: as given.
        model: as given.
        device, dtype, attn_implementation: of the model.
        versions: of Python and of the packages that the result depends on.
    """

    text: str
    output: str
    seconds: float
    samples: int
    sampling_rate: int
    rtf: float
    load_seconds: float
    stage_seconds: dict[str, float]
    tokens: dict[str, int]
    seed: int | None
    voice: str | None
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
        result: Any,
        network: BarkModel,
        stage_seconds: dict[str, float],
        *,
        load_seconds: float,
        **given: Any,
    ) -> Statistics:
        """From the `BarkOutput` of one text; `given` are the fields that the user gave."""
        samples, rate = int(result.audio_lengths[0]), int(result.sampling_rate)
        frames = int(result.code_lengths[0])
        n_coarse, n_fine = result.coarse_codes.shape[1], result.fine_codes.shape[1]
        config = result.generation_config
        draws = not all(config.stage(name).greedy for name in ("semantic", "coarse", "fine"))
        return cls(
            seconds=round(samples / rate, 4),
            samples=samples,
            sampling_rate=rate,
            rtf=round(sum(stage_seconds.values()) * rate / samples, 4),
            load_seconds=round(load_seconds, 4),
            stage_seconds={stage: round(seconds, 4) for stage, seconds in stage_seconds.items()},
            tokens={
                "semantic": int(result.semantic_lengths[0]),
                "coarse": n_coarse * frames,
                "fine": (n_fine - n_coarse) * frames,
            },
            seed=result.seeds[0] if draws else None,
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
        stages = ", ".join(
            f"{stage} {seconds:.1f} s" + (f" ({self.tokens[stage]} tokens)" if stage in self.tokens else "")
            for stage, seconds in self.stage_seconds.items()
        )
        total = sum(self.stage_seconds.values())
        lines = [
            f"{self.output}: {self.seconds:.2f} s of sound, {self.sampling_rate} Hz",
            f"{stages}; loading {self.load_seconds:.1f} s",
            f"real-time factor {self.rtf:.2f} ({total:.1f} s on {self.device}, {self.dtype})"
            + ("" if self.seed is None else f", seed {self.seed}"),
        ]
        if self.first_sound_seconds is not None:
            lines.append(f"first sound after {self.first_sound_seconds:.2f} s")
        if self.save_voice is not None:
            lines.append(f"voice saved: {self.save_voice}")
        return "\n".join(lines)


def circumstances(network: BarkModel) -> dict[str, Any]:
    """What a result depends on beside the request: device, dtype, attn_implementation, versions."""
    return {
        "device": str(network.device),
        "dtype": str(network.dtype).removeprefix("torch."),
        "attn_implementation": network.config._attn_implementation,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("bark_hf", "torch", "transformers", "tokenizers")},
    }
