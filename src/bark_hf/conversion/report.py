"""What a conversion did, as values and as text. Knows nothing of how it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ConversionReport:
    """The result of `convert`; `str(report)` is the summary that the command prints.

    Attributes:
        output: the folder written.
        size: "small" or "large", from Suno's file names.
        dtype: number format of the weights.
        parameters: part of the model -> parameters (tied ones once).
        tensors: tensors compared after reading the folder back.
        files: path in the folder -> bytes.
        voices: number of voices written.
        seconds: time taken.
        missing: what wasn't given, and how to add it.
    """

    output: Path
    size: str
    dtype: str
    parameters: Mapping[str, int]
    tensors: int
    files: Mapping[str, int]
    voices: int
    seconds: float
    missing: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"Bark ({self.size}, {self.dtype}) -> {self.output}", ""]
        lines += [f"  {part:<18} {count / 1e6:>8.2f} M parameters" for part, count in self.parameters.items()]
        lines += [f"  {'total':<18} {sum(self.parameters.values()) / 1e6:>8.2f} M parameters", ""]
        lines += [f"  {name:<30} {_bytes(size):>10}" for name, size in self._listed_files().items()]
        lines += ["", f"  verified: {self.tensors} tensors read back equal; {self.seconds:.1f} s"]
        lines += [f"  missing: {text}" for text in self.missing]
        return "\n".join(lines)

    def _listed_files(self) -> dict[str, int]:
        """The files, with those of the voices as one line."""
        top = {name: size for name, size in self.files.items() if "/" not in name}
        below = [size for name, size in self.files.items() if "/" in name]
        return {**top, f"{self.voices} voices ({len(below)} files)": sum(below)} if below else top


def _bytes(size: int) -> str:
    """`size` in a unit that reads well."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
