"""Where `bark-hf say` puts its results: checked before the work, written after it. Knows paths; knows no model."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .common import CliError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from ..generation.output import BarkOutput

STDOUT = "-"


@dataclass(frozen=True)
class Destination:
    """Where the results go.

    Attributes:
        sound: the sound file, or "-" for standard output.
        voice: the file for the voice, or None.
    """

    sound: Path
    voice: Path | None

    @property
    def is_stdout(self) -> bool:
        """Whether the sound goes to standard output."""
        return str(self.sound) == STDOUT

    def check(self, as_json: bool) -> None:
        """Refuse what can't be written.

        Raises:
            UsageError: for an ending that is no format, or two results on standard output.
            OSError: for a place where no file can be.
        """
        from ..audio import check_target, sound_suffix

        if self.voice is not None and self.voice.suffix != ".npz":
            raise UsageError(f"--save-voice {self.voice} must end in .npz; name it {self.voice.stem or 'voice'}.npz")
        if self.is_stdout:
            self._check_stdout(as_json)
        else:
            try:
                sound_suffix(self.sound)
            except ValueError as error:
                raise UsageError(f"--output {error}") from error
            check_target(self.sound)
        if self.voice is not None:
            check_target(self.voice)

    def _check_stdout(self, as_json: bool) -> None:
        if as_json:
            raise UsageError("--output - and --json both use standard output; it takes one; give a file to --output")
        if sys.stdout.isatty():
            raise UsageError("--output - is a WAV on a terminal; it needs a pipe or a file; add | aplay or > f.wav")

    def write_sound(self, audio: np.ndarray, sampling_rate: int) -> None:
        """Write the sound file, or a WAV to standard output."""
        from ..audio import encode, sound_suffix, write_file

        if self.is_stdout:
            sys.stdout.buffer.write(encode(audio, sampling_rate))
            sys.stdout.buffer.flush()
        else:
            write_file(self.sound, encode(audio, sampling_rate, sound_suffix(self.sound)))

    def write_voice(self, output: BarkOutput) -> None:
        """Write the voice file, if one is wanted.

        Raises:
            CliError: if the sound is too short to be a voice.
        """
        if self.voice is None:
            return
        try:
            output.voice(0).save(self.voice)
        except ValueError as error:
            raise CliError(
                f"the voice was not saved, only the sound: {error} Give a longer text, or another --seed"
            ) from error
