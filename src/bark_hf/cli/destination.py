"""Where `bark-hf say` puts its results: checked before the work, written after it. Knows paths; knows no model."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .common import CliError, UsageError
from .sound_stream import StreamFormat, StreamWriter, check_stream_target

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
        stream: send the sound while it is being made, in this format; None writes it when it is complete.
    """

    sound: Path
    voice: Path | None
    stream: StreamFormat | None = None

    @classmethod
    def of(cls, output: Path | None, stream: Path | None, kind: StreamFormat | None, voice: Path | None) -> Destination:
        """From --output, --stream, --format and --save-voice.

        Raises:
            UsageError: for no place or two, or a format of nothing.
        """
        if output is not None and stream is not None:
            raise UsageError("--output and --stream exclude each other; the sound goes to one place; drop one")
        if kind is not None and stream is None:
            raise UsageError("--format needs --stream; the ending of --output says its format; give --stream")
        if stream is not None:
            return cls(stream, voice, kind or StreamFormat.wav)
        if output is None:
            raise UsageError("neither --output nor --stream given; the sound must go somewhere; give -o FILE")
        return cls(output, voice)

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
        elif self.stream is not None:
            check_stream_target(self.sound)
        else:
            try:
                sound_suffix(self.sound)
            except ValueError as error:
                raise UsageError(f"--output {error}") from error
            check_target(self.sound)
        if self.voice is not None:
            check_target(self.voice)

    def _check_stdout(self, as_json: bool) -> None:
        option = "--output" if self.stream is None else "--stream"
        if as_json:
            raise UsageError(f"{option} - and --json both use standard output; it takes one; give a file to {option}")
        if sys.stdout.isatty():
            raise UsageError(f"{option} - is sound on a terminal; it needs a pipe or a file; add | aplay or > f.wav")

    def writer(self, sampling_rate: int) -> StreamWriter:
        """What a stream goes through."""
        assert self.stream is not None
        return StreamWriter(self.sound, self.stream, sampling_rate)

    def write_sound(self, audio: np.ndarray, sampling_rate: int) -> None:
        """Write the sound file, or to standard output."""
        from ..audio import encode, sound_suffix, write_file

        if self.stream is not None:
            with self.writer(sampling_rate) as writer:
                writer.write(audio)
        elif self.is_stdout:
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
