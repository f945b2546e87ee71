"""Sound that goes out while it is being made, to standard output, a file or a named pipe. Knows bytes; knows no model.

A thread writes, so that a player that takes its time does not keep the next piece from being made.
"""

from __future__ import annotations

import io
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import CliError

if TYPE_CHECKING:
    import numpy as np

    from ..audio import Clipping
    from ..longform import SoundStream

STDOUT = "-"
UNKNOWN_SIZE = 0xFFFF_FFFF  # of a WAV whose end is not known yet; aplay, ffplay and libsndfile read until it comes
HEADER_BYTES = 44
NO_SOUND = "the model ended at once, so there is no sound; try another --seed or a --min-eos-p nearer to 1"
_WAITING = 64  # blocks; a player that is so far behind is waited for

StreamOption = Annotated[
    Path | None,
    typer.Option(
        "--stream",
        metavar="FILE",
        help="Instead of --output: send the sound while it is being made; - is standard output, to | aplay.",
        show_default=False,
    ),
]


class StreamFormat(str, Enum):
    """What goes out."""

    wav = "wav"
    pcm = "pcm"


FormatOption = Annotated[
    StreamFormat | None,
    typer.Option("--format", help="Of --stream: wav, or pcm (16 bit, little-endian, mono, no header). Default: wav."),
]


class ListenerLeft(Exception):  # noqa: N818  no error: whoever listened has heard enough
    """The pipe was closed at its other end."""


def wav_header(sampling_rate: int, n_bytes: int | None = None) -> bytes:
    """The 44 bytes in front of 16-bit mono samples; without `n_bytes` the sizes say that they are not known."""
    size = UNKNOWN_SIZE if n_bytes is None else min(n_bytes, UNKNOWN_SIZE)
    riff = min(size + HEADER_BYTES - 8, UNKNOWN_SIZE)
    layout = struct.pack("<IHHIIHH", 16, 1, 1, sampling_rate, 2 * sampling_rate, 2, 16)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + layout + b"data" + struct.pack("<I", size)


class StreamWriter:
    """Writes samples as 16 bits from a thread; nothing is opened before the first ones come.

    Args:
        target: a file or named pipe, or "-".
        kind: with a header or without.
        sampling_rate: samples per second.

    Left by an error, it writes what it has; left by Ctrl-C, it does not.
    """

    def __init__(self, target: Path, kind: StreamFormat, sampling_rate: int):
        self._target, self._kind, self._rate = target, kind, sampling_rate
        self._queue: Queue[bytes | None] = Queue(_WAITING)
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None
        buffer: Any = sys.stdout.buffer
        self._stdout = getattr(buffer, "raw", buffer)  # past the buffer, which would be written again at the exit

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None or (error is not None and not isinstance(error, Exception)):
            return
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self.check()

    def write(self, audio: np.ndarray) -> None:
        """Send float32 [samples], -1..1.

        Raises:
            ListenerLeft, CliError: see `check`.
        """
        from ..audio import to_int16

        self.check()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._queue.put(to_int16(audio).astype("<i2").tobytes())

    def check(self) -> None:
        """Find out whether somebody still listens.

        Raises:
            ListenerLeft: if the pipe was closed.
            CliError: if the disk refuses.
        """
        if isinstance(self._error, BrokenPipeError):
            raise ListenerLeft
        if self._error is not None:
            raise CliError(f"--stream {self._target} can't be written ({self._error.strerror}); make room")

    def watching(self, progress: Callable[[str, int, int], None]) -> Callable[[str, int, int], None]:
        """A progress callback that ends the work as soon as nobody listens."""

        def watch(stage: str, done: int, total: int) -> None:
            self.check()
            progress(stage, done, total)

        return watch

    def _work(self) -> None:
        try:
            with self._opened() as file:
                self._copy(file)
        except OSError as error:
            self._error = error
            while self._queue.get() is not None:  # whoever puts must not wait for ever
                pass

    def _opened(self) -> AbstractContextManager[Any]:
        if str(self._target) == STDOUT:
            return nullcontext(self._stdout)
        return self._target.open("wb", buffering=0)

    def _copy(self, file: Any) -> None:
        is_wav, written = self._kind == StreamFormat.wav, 0
        if is_wav:
            _write_all(file, wav_header(self._rate))
        while (block := self._queue.get()) is not None:
            _write_all(file, block)
            written += len(block)
        if is_wav and isinstance(file, io.FileIO) and file is not self._stdout and file.seekable():
            file.seek(0)
            _write_all(file, wav_header(self._rate, written))


def _write_all(file: Any, content: bytes) -> None:
    """Unbuffered files may take a part at a time."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def send(sound: SoundStream, writer: StreamWriter) -> Clipping:
    """Every chunk of a stream to a writer, cut at -1 and 1; silence in front waits for the first sound.

    Raises:
        CliError: if there is no sound at all; nothing is written then.
    """
    from ..audio import Clipping, clip

    cut, peak = 0, 0.0
    waiting: list[np.ndarray] = []
    for chunk in sound:
        audio, clipping = clip(chunk)
        cut, peak = cut + clipping.samples, max(peak, clipping.peak)
        waiting.append(audio)
        if sound.first_sound_seconds is not None:
            for block in waiting:
                writer.write(block)
            waiting.clear()
    if not any(record.samples for record in sound.result.records):
        raise CliError(NO_SOUND)
    for block in waiting:
        writer.write(block)
    return Clipping(cut, peak)


def check_stream_target(target: Path) -> None:
    """Find out whether a file or named pipe can be written.

    Raises:
        OSError: if it is no place for one.
    """
    from ..audio import check_target

    if not (target.is_fifo() or target.is_char_device()):
        check_target(target)


__all__ = [
    "NO_SOUND",
    "FormatOption",
    "ListenerLeft",
    "StreamFormat",
    "StreamOption",
    "StreamWriter",
    "check_stream_target",
    "send",
    "wav_header",
]
