"""`bark-hf say --stream`: its bytes are the plain call's samples, and a closed pipe ends it quietly."""

from __future__ import annotations

import io
import json
import os
import select
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from bark_hf.cli import app, sound_stream
from bark_hf.cli.common import CliError
from bark_hf.cli.sound_stream import ListenerLeft, StreamFormat, StreamWriter, wav_header

FAST = ("--max-duration", "0.25", "--seed", "3")
PIECES = "hello\n\npizza [pause 0.1s] cat"


def say(checkpoint, *args):
    return CliRunner().invoke(app, ["say", "-m", str(checkpoint), *FAST, *(str(arg) for arg in args)])


@pytest.fixture(scope="module")
def plain(checkpoint, tmp_path_factory):
    """The 16-bit samples of the plain call, per text."""
    folder, known = tmp_path_factory.mktemp("plain"), {}

    def samples(text):
        if text not in known:
            out = folder / f"{len(known)}.wav"
            assert say(checkpoint, text, "-o", out).exit_code == 0
            known[text] = soundfile.read(out, dtype="int16")[0]
        return known[text]

    return samples


@pytest.mark.parametrize("text", ["hello world", PIECES], ids=["at once", "in pieces"])
def test_pcm_is_the_plain_sound(checkpoint, plain, text):
    result = say(checkpoint, text, "--stream", "-", "--format", "pcm")
    assert result.exit_code == 0
    assert result.stdout_bytes == plain(text).astype("<i2").tobytes()
    assert result.stderr.startswith("-: ")
    assert "first sound after " in result.stderr


def test_a_wav_of_unknown_length(checkpoint, plain):
    """The header is 44 bytes, its sizes are the largest; libsndfile and Python read it to its end."""
    content = say(checkpoint, PIECES, "--stream", "-", "-q").stdout_bytes
    assert content[44:] == plain(PIECES).astype("<i2").tobytes()
    assert content[4:8] == content[40:44] == b"\xff\xff\xff\xff"
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == 24_000
    assert np.array_equal(samples, plain(PIECES))
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)


def test_a_file_has_its_sizes_at_the_end(checkpoint, plain, tmp_path):
    out = tmp_path / "out.wav"
    result = say(checkpoint, PIECES, "--stream", out, "--json")
    content = json.loads(result.stdout)
    assert 0 < content["first_sound_seconds"] < sum(content["stage_seconds"].values())
    again = io.BytesIO()
    with wave.open(again, "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(plain(PIECES).tobytes())
    assert out.read_bytes() == again.getvalue()
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]


def test_a_script_into_a_named_pipe(checkpoint, tmp_path):
    play, out, pipe, heard = tmp_path / "play.txt", tmp_path / "out.wav", tmp_path / "pipe", []
    play.write_text("Ann: hello\nBob: pizza\n")
    command = ("--script", play, "--cast", "Ann=v2/en_speaker_6", "--cast", "Bob=de_speaker_1")
    assert say(checkpoint, *command, "-o", out).exit_code == 0
    os.mkfifo(pipe)
    listener = threading.Thread(target=lambda: heard.append(pipe.read_bytes()), daemon=True)
    listener.start()
    assert say(checkpoint, *command, "--stream", pipe, "--format", "pcm").exit_code == 0
    listener.join(10)
    assert heard[0] == soundfile.read(out, dtype="int16")[0].tobytes()


def test_a_closed_pipe_ends_quietly(checkpoint):
    """As with `| head -c 1000`; and nothing is left to be flushed at the interpreter's exit."""
    code = "from bark_hf.cli import main; main()"
    text = "\n\n".join(["hello"] * 40)
    command = [sys.executable, "-c", code, "say", "-m", str(checkpoint), *FAST, text, "--stream", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
    assert process.stdout.read(1000)[:4] == b"RIFF"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0


REFUSED = {
    "two places": (("hello", "--stream", "-", "-o", "out.wav"), 2, ["--output and --stream"]),
    "no place": (("hello",), 2, ["neither --output nor --stream"]),
    "format of nothing": (("hello", "-o", "out.wav", "--format", "pcm"), 2, ["--format needs --stream"]),
    "unknown format": (("hello", "--stream", "-", "--format", "mp3"), 2, ["mp3", "pcm"]),
    "two on stdout": (("hello", "--stream", "-", "--json"), 2, ["--stream - and --json"]),
    "retake": (("hello", "--stream", "-", "--resume-to", "x", "--retake", "0"), 2, ["--stream and --retake"]),
    "first seconds": (("hello", "--stream", "-", "--first-seconds", "0"), 2, ["--first-seconds 0"]),
    "folder": (("hello", "--stream", "folder"), 1, ["is a folder"]),
    "no folder": (("hello", "--stream", "none/out.wav"), 1, ["does not exist"]),
    "unknown voice": (("hello", "--stream", "-", "-v", "nobody"), 1, ["no voice 'nobody'"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_the_first_sound(checkpoint, tmp_path, monkeypatch, case):
    args, code, words = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    result = say(checkpoint, *args)
    assert result.exit_code == code, result.output
    assert result.stdout_bytes == b""
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert all(word in line for word in words), line


@pytest.mark.parametrize("text", ["hello", PIECES], ids=["at once", "in pieces"])
def test_a_model_that_says_nothing_writes_nothing(checkpoint, text):
    result = say(checkpoint, text, "--stream", "-", "-v", "de_speaker_1", "--min-eos-p", "1e-9")
    assert result.exit_code == 1
    assert result.stdout_bytes == b""
    assert "ended at once" in result.stderr


# --- the writer alone


def noise(n=1000):
    return np.random.default_rng(0).uniform(-1, 1, n).astype(np.float32)


def test_a_slow_listener_does_not_hold_up_the_work(tmp_path):
    """Ten blocks are taken at once although nobody reads yet: a pipe itself holds 64 kB, a second of sound."""
    pipe, blocks, heard = tmp_path / "pipe", [noise(24_000)] * 10, []
    os.mkfifo(pipe)
    listener = threading.Thread(target=lambda: heard.append(pipe.read_bytes()), daemon=True)
    with StreamWriter(pipe, StreamFormat.pcm, 24_000) as writer:
        for block in blocks:
            writer.write(block)
        listener.start()
    listener.join(10)
    assert len(heard[0]) == 10 * 48_000


def test_the_work_ends_when_the_listener_left(tmp_path):
    """`generate` calls its progress callback at every step, so that is where it is noticed."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    listener = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer, calls = StreamWriter(pipe, StreamFormat.pcm, 24_000), []
    progress = writer.watching(lambda *args: calls.append(args))
    progress("semantic", 1, 2)
    writer.write(noise())
    select.select([listener], [], [], 10)  # the writer has opened the pipe and written
    os.close(listener)

    def go_on():
        for _ in range(10_000):
            writer.write(noise())
            progress("semantic", 2, 2)

    with pytest.raises(ListenerLeft), writer:
        go_on()
    assert calls[0] == ("semantic", 1, 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk without room is simulated by Linux's /dev/full")
def test_a_full_disk_is_one_line():
    with (
        pytest.raises(CliError, match=r"--stream /dev/full can't be written \(No space left"),
        StreamWriter(Path("/dev/full"), StreamFormat.pcm, 24_000) as writer,
    ):
        writer.write(noise())


def test_partial_writes_are_completed():
    class Narrow(io.RawIOBase):
        content = b""

        def write(self, block):
            self.content += bytes(block[:7])
            return min(7, len(block))

    narrow = Narrow()
    sound_stream._write_all(narrow, bytes(range(100)))
    assert narrow.content == bytes(range(100))


def test_the_header_is_python_s_own():
    for n_bytes in (0, 2000):
        expected = io.BytesIO()
        with wave.open(expected, "wb") as file:
            file.setparams((1, 2, 24_000, 0, "NONE", ""))
            file.writeframes(bytes(n_bytes))
        assert wav_header(24_000, n_bytes) == expected.getvalue()[:44]
