"""The command line: what it writes is what `generate` returns, stdout is pure, errors are one line with a remedy."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import warnings
import zipfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_voice
from typer.testing import CliRunner

from bark_hf import BarkModel, BarkProcessor, VoicePrompt, audio
from bark_hf.cli import app, checks, common, loading
from bark_hf.cli import say as say_module

SHORT = ("--max-duration", "0.2", "--seed", "3")
TEXT = "hello world"
HALF_STEP = 0.5 / 32768  # the rounding of 16-bit samples


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch):
    monkeypatch.delenv(common.DEBUG_VARIABLE, raising=False)


def run(*args, stdin=None):
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)


def say(checkpoint, *args, stdin=None):
    return run("say", "--model", checkpoint, *SHORT, *args, stdin=stdin)


def succeeded(result):
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


@pytest.fixture(scope="module")
def reference(checkpoint):
    """`generate` itself, on the same checkpoint and with the same options as `SHORT`."""
    model, processor = BarkModel.from_pretrained(checkpoint), BarkProcessor.from_pretrained(checkpoint)

    @cache
    def generate(voice=None, **options):
        options = {"max_duration_s": 0.2, "seed": 3} | options
        return model.generate(**processor(TEXT, voice_preset=voice), **options, return_dict_in_generate=True)

    return generate


def assert_sounds_like(path, expected):
    samples, rate = soundfile.read(path, dtype="float64")
    assert rate == 24_000
    assert samples.shape == (expected.audio_lengths[0],)
    np.testing.assert_allclose(samples, expected.waveform(0).double().numpy(), rtol=0, atol=1.0001 * HALF_STEP)


# say: the sound


def test_the_wav_is_what_generate_returns(checkpoint, reference, tmp_path):
    out = tmp_path / "out.wav"
    printed = succeeded(say(checkpoint, TEXT, "-o", out))
    assert_sounds_like(out, reference())
    assert soundfile.info(out).subtype == "PCM_16"
    assert printed.splitlines()[0].startswith(f"{out}: 0.2")
    assert "real-time factor" in printed
    assert "seed 3" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        (
            ("--voice", "v2/en_speaker_6", "--attn-implementation", "eager", "--dtype", "float32", "--device", "cpu"),
            {"voice": "v2/en_speaker_6"},
        ),
        (
            ("--temperature", "0.9", "--top-k", "50", "--fine-temperature", "0"),
            {"temperature": 0.9, "top_k": 50, "fine_temperature": 0},
        ),
        (
            ("--semantic-temperature", "0.1", "--coarse-temperature", "0.2", "--top-p", "0.8"),
            {"semantic_temperature": 0.1, "coarse_temperature": 0.2, "top_p": 0.8},
        ),
    ],
)
def test_options_reach_generate(checkpoint, reference, tmp_path, options, keywords):
    """Each option must change the result exactly as the keyword of `generate` does."""
    out = tmp_path / "out.wav"
    succeeded(say(checkpoint, TEXT, "-o", out, *options))
    assert_sounds_like(out, reference(**keywords))


def test_greedy(checkpoint, reference, tmp_path):
    out = tmp_path / "out.wav"
    result = run("say", "-m", checkpoint, TEXT, "-o", out, "--greedy", "--max-duration", "0.2", "--json")
    assert json.loads(succeeded(result))["seed"] is None
    assert_sounds_like(out, reference(do_sample=False))


def test_a_temperature_turns_sampling_on_where_the_checkpoint_is_greedy(checkpoint, tmp_path):
    """A config with do_sample=False ignores a temperature; an option that was given must not be ignored."""
    folder = copy_of(checkpoint, tmp_path / "greedy")
    config = json.loads((folder / "generation_config.json").read_text())
    for stage in ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config"):
        config[stage]["do_sample"] = False
    (folder / "generation_config.json").write_text(json.dumps(config))
    sounds = []
    for seed in (1, 2):
        out = tmp_path / f"{seed}.wav"
        options = ("--semantic-temperature", "1.0", "--max-duration", "0.2", "--seed", seed)
        succeeded(run("say", "-m", folder, TEXT, "-o", out, *options))
        sounds.append(out.read_bytes())
    assert sounds[0] != sounds[1]


def test_half_precision_is_written(checkpoint, tmp_path):
    result = say(checkpoint, TEXT, "-o", tmp_path / "out.wav", "--dtype", "bfloat16", "--json")
    content = json.loads(succeeded(result))
    assert content["dtype"] == "bfloat16"
    assert soundfile.info(tmp_path / "out.wav").frames == content["samples"]


def test_text_sources(checkpoint, reference, tmp_path):
    file, out = tmp_path / "text.txt", tmp_path / "out.wav"
    file.write_bytes(b"\xef\xbb\xbfhello\n  world \n")  # with the byte order mark of Windows' editors
    succeeded(say(checkpoint, "--file", file, "-o", out))
    assert_sounds_like(out, reference())
    out.unlink()
    succeeded(say(checkpoint, "-", "-o", out, stdin=file.read_bytes()))
    assert_sounds_like(out, reference())


def test_sound_on_standard_output(checkpoint, reference):
    result = say(checkpoint, TEXT, "-o", "-")
    assert result.exit_code == 0
    assert_sounds_like(io.BytesIO(result.stdout_bytes), reference())
    assert result.stderr.startswith("-: 0.2")


@pytest.mark.parametrize(("suffix", "kind", "exact"), [(".flac", "FLAC", True), (".OGG", "OGG", False)])
def test_other_formats(checkpoint, reference, tmp_path, suffix, kind, exact):
    out = tmp_path / f"out{suffix}"
    assert succeeded(say(checkpoint, TEXT, "-o", out, "--quiet")) == ""
    assert soundfile.info(out).format == kind
    if exact:
        assert_sounds_like(out, reference())
    assert soundfile.info(out).frames == reference().audio_lengths[0]


def test_an_existing_file_is_replaced_where_a_link_points(checkpoint, tmp_path):
    target, link = tmp_path / "target.wav", tmp_path / "link.wav"
    target.write_bytes(b"old")
    link.symlink_to(target)
    succeeded(say(checkpoint, TEXT, "-o", link, "-q"))
    assert link.is_symlink()
    assert target.read_bytes()[:4] == b"RIFF"


def test_json(checkpoint, reference, tmp_path):
    """stdout holds one object and nothing else; its numbers are those of `generate`."""
    out, voice = tmp_path / "out.wav", tmp_path / "me.npz"
    options = ("--voice", "de_speaker_1", "--save-voice", voice, "--json")
    content = json.loads(succeeded(say(checkpoint, TEXT, "-o", out, *options)))
    expected = reference(voice="de_speaker_1")
    samples, frames = int(expected.audio_lengths[0]), int(expected.code_lengths[0])
    fixed = {
        "text": TEXT,
        "output": str(out),
        "samples": samples,
        "seconds": round(samples / 24_000, 4),
        "sampling_rate": 24_000,
        "tokens": {"semantic": int(expected.semantic_lengths[0]), "coarse": 2 * frames, "fine": 6 * frames},
        "seed": 3,
        "voice": "de_speaker_1",
        "save_voice": str(voice),
        "model": str(checkpoint),
        "device": "cpu",
        "dtype": "float32",
        "attn_implementation": "sdpa",
    }
    assert {name: content[name] for name in fixed} == fixed
    assert list(content["stage_seconds"]) == ["semantic", "coarse", "fine", "codec"]
    assert all(seconds > 0 for seconds in content["stage_seconds"].values())
    assert content["load_seconds"] > 0
    spent = sum(content["stage_seconds"].values())
    assert content["rtf"] == pytest.approx(spent / content["seconds"], rel=1e-2)
    assert content["versions"]["torch"] == torch.__version__
    assert set(content) == {*fixed, "stage_seconds", "load_seconds", "rtf", "versions"}
    assert VoicePrompt.load(voice) == expected.voice(0)


def test_a_seed_that_was_drawn_is_told(checkpoint, tmp_path):
    options = ("-m", checkpoint, TEXT, "--max-duration", "0.2", "--json")
    first = json.loads(succeeded(run("say", *options, "-o", tmp_path / "a.wav")))
    succeeded(run("say", *options, "-o", tmp_path / "b.wav", "--seed", first["seed"]))
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_a_voice_from_a_file(checkpoint, reference, tmp_path):
    voice = tmp_path / "v.npz"
    tiny_voice(2.0, 5).save(voice)
    succeeded(say(checkpoint, TEXT, "-o", tmp_path / "out.wav", "--voice", voice))
    assert_sounds_like(tmp_path / "out.wav", reference(voice=str(voice)))


def test_warnings_of_libraries_stay_out(checkpoint, tmp_path, monkeypatch):
    load = loading.load_model

    def chatty(*args):
        warnings.warn_explicit("library chatter", UserWarning, "torch/x.py", 1, module="torch.x")
        warnings.warn("of no concern", FutureWarning, stacklevel=1)
        return load(*args)

    monkeypatch.setattr(say_module, "load_model", chatty)
    succeeded(say(checkpoint, TEXT, "-o", tmp_path / "out.wav"))


# say: what may go wrong


def copy_of(checkpoint, folder):
    return Path(shutil.copytree(checkpoint, folder))


@pytest.fixture(scope="module")
def place(checkpoint, tmp_path_factory):
    """A folder with every kind of bad input; tests must leave it as it is."""
    tmp_path = tmp_path_factory.mktemp("place")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    (tmp_path / "zeros.txt").write_bytes(b"a\0b")
    (tmp_path / "blank.txt").write_text(" \n\t")
    (tmp_path / "huge.txt").write_text("word " * 250_000)
    (tmp_path / "empty_folder").mkdir()
    (tmp_path / "suno").mkdir()
    (tmp_path / "suno" / "text_2.pt").touch()
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    tiny_voice(1.0).save(tmp_path / "good.npz")
    (tmp_path / "truncated.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:300])
    with zipfile.ZipFile(tmp_path / "pickled.npz", "w") as archive:
        for part in ("semantic_prompt", "coarse_prompt", "fine_prompt"):
            buffer = io.BytesIO()
            np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
            archive.writestr(f"{part}.npy", buffer.getvalue())
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps([1]))
    for name, fault in (("bert", {"model_type": "bert"}), ("list", [])):
        folder = copy_of(checkpoint, tmp_path / name)
        (folder / "config.json").write_text(json.dumps(fault))
    (copy_of(checkpoint, tmp_path / "broken_json") / "config.json").write_text("{")
    (copy_of(checkpoint, tmp_path / "no_weights") / "model.safetensors").unlink()
    tokenless = copy_of(checkpoint, tmp_path / "no_tokenizer")
    for name in ("tokenizer.json", "vocab.txt"):
        (tokenless / name).unlink()
    return tmp_path


HELLO = (TEXT, "-o", "out.wav")
BAD = {  # name -> arguments, standard input, exit code, parts of the message
    "no text": (("-o", "out.wav"), None, 2, ["neither TEXT and --file", "standard input"]),
    "two texts": ((*HELLO, "--file", "blank.txt"), None, 2, ["both TEXT and --file"]),
    "empty text": (("", "-o", "out.wav"), None, 2, ["TEXT is empty"]),
    "blank text": (("  \n", "-o", "out.wav"), None, 2, ["TEXT is empty"]),
    "empty stdin": (("-", "-o", "out.wav"), b"", 1, ["standard input is empty"]),
    "binary stdin": (("-", "-o", "out.wav"), b"\xff\xfe\x00", 1, ["standard input is not UTF-8", "at byte 0"]),
    "missing file": (("-f", "nope.txt", "-o", "out.wav"), None, 1, ["nope.txt", "No such file"]),
    "folder as file": (("-f", "empty_folder", "-o", "out.wav"), None, 1, ["is a folder"]),
    "binary file": (("-f", "binary.txt", "-o", "out.wav"), None, 1, ["binary.txt is not UTF-8"]),
    "zero bytes": (("-f", "zeros.txt", "-o", "out.wav"), None, 1, ["zeros.txt is not text"]),
    "blank file": (("-f", "blank.txt", "-o", "out.wav"), None, 1, ["blank.txt is empty"]),
    "huge file": (("-f", "huge.txt", "-o", "out.wav"), None, 1, ["1,000,000 bytes", "split"]),
    "no output": ((TEXT,), None, 2, ["--output"]),
    "unquoted text": (("hello", "world", "-o", "out.wav"), None, 2, ["world"]),
    "missing model": ((*HELLO, "-m", "./nope"), None, 1, ["./nope", "does not exist", "suno/bark-small"]),
    "empty model": ((*HELLO, "-m", ""), None, 1, ["--model ''", "does not exist"]),
    "absent on the Hub": ((*HELLO, "-m", "suno/x"), None, 1, ["HF_HUB_OFFLINE", "hf download suno/x"]),
    "file as model": ((*HELLO, "-m", "blank.txt"), None, 1, ["is a file"]),
    "no config": ((*HELLO, "-m", "empty_folder"), None, 1, ["has no config.json"]),
    "Suno's files": ((*HELLO, "-m", "suno"), None, 1, ["has no config.json", "bark-hf convert"]),
    "another model": ((*HELLO, "-m", "bert"), None, 1, ["no Bark checkpoint", "'bert'"]),
    "config is a list": ((*HELLO, "-m", "list"), None, 1, ["no Bark checkpoint"]),
    "config is broken": ((*HELLO, "-m", "broken_json"), None, 1, ["no valid JSON"]),
    "no weights": ((*HELLO, "-m", "no_weights"), None, 1, ["no weights", "model.safetensors"]),
    "no tokenizer": ((*HELLO, "-m", "no_tokenizer"), None, 1, ["tokenizer.json", "vocab.txt"]),
    "unknown voice": (
        (*HELLO, "-v", "v2/en_speaker_66"),
        None,
        1,
        ["did you mean 'v2/en_speaker_6'", "hf voices"],
    ),
    "missing voice": ((*HELLO, "-v", "nope.npz"), None, 1, ["no voice file nope.npz"]),
    "pickled voice": ((*HELLO, "-v", "pickled.npz"), None, 1, ["pickled.npz", "no pickled objects"]),
    "pickle as voice": ((*HELLO, "-v", "pickle.npz"), None, 1, ["pickle.npz", "cannot be read"]),
    "truncated voice": ((*HELLO, "-v", "truncated.npz"), None, 1, ["truncated.npz", "cannot be read"]),
    "temperature NaN": ((*HELLO, "--temperature", "nan"), None, 2, ["--temperature", "at least 0"]),
    "negative temperature": ((*HELLO, "--fine-temperature=-1"), None, 2, ["--fine-temperature", "at least 0"]),
    "temperature word": ((*HELLO, "--temperature", "hot"), None, 2, ["--temperature", "number", "bark-hf say --help"]),
    "negative top-k": ((*HELLO, "--top-k", "-5"), None, 2, ["--top-k", "-5"]),
    "top-p above 1": ((*HELLO, "--top-p", "1.5"), None, 2, ["--top-p", "at most 1"]),
    "min-eos-p 0": ((*HELLO, "--min-eos-p", "0"), None, 2, ["--min-eos-p", "above 0"]),
    "no duration": ((*HELLO, "--max-duration", "0"), None, 2, ["--max-duration", "positive"]),
    "negative seed": ((*HELLO, "--seed", "-1"), None, 2, ["--seed", "at least 0"]),
    "huge seed": ((*HELLO, "--seed", str(2**63)), None, 2, ["--seed", "2**63"]),
    "greedy and seed": ((*HELLO, "--greedy", "--seed", "1"), None, 2, ["--greedy and --seed"]),
    "greedy and top-k": ((*HELLO, "--greedy", "--top-k", "5"), None, 2, ["--greedy and --top-k"]),
    "unknown device": ((*HELLO, "--device", "gpu"), None, 2, ["'gpu'", "cuda"]),
    "absent device": ((*HELLO, "--device", "cuda:99"), None, 1, ["cuda:99", "this machine has", "cpu"]),
    "unknown dtype": ((*HELLO, "--dtype", "int8"), None, 2, ["--dtype", "bfloat16"]),
    "unknown attention": ((*HELLO, "--attn-implementation", "x"), None, 2, ["sdpa"]),
    "unknown option": ((*HELLO, "--temprature", "1"), None, 2, ["--temprature", "--help"]),
    "no folder": ((TEXT, "-o", "nope/out.wav"), None, 1, ["folder nope", "does not exist"]),
    "folder as output": ((TEXT, "-o", "folder.wav"), None, 1, ["is a folder"]),
    "pipe as output": ((TEXT, "-o", "pipe.wav"), None, 1, ["not an ordinary file"]),
    "unwritable output": ((TEXT, "-o", "/proc/out.wav"), None, 1, ["/proc", "can't be written"]),
    "unknown ending": ((TEXT, "-o", "out.mp3"), None, 2, [".mp3", ".wav, .flac, .ogg"]),
    "no ending": ((TEXT, "-o", "out"), None, 2, ["no ending", ".wav"]),
    "voice ending": ((*HELLO, "--save-voice", "me.npy"), None, 2, ["must end in .npz", "me.npz"]),
    "voice folder": ((*HELLO, "--save-voice", "nope/me.npz"), None, 1, ["folder nope", "does not exist"]),
    "two on stdout": ((TEXT, "-o", "-", "--json"), None, 2, ["--output - and --json"]),
}


def assert_one_error(result, code, parts):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in line
    assert "unexpected" not in line.removeprefix("error: Got unexpected extra")
    for part in parts:
        assert part in line
    return line


@pytest.fixture
def no_model(monkeypatch):
    """A model that is loaded is a minute lost if the error could have been told before."""
    monkeypatch.setattr(say_module, "load_model", lambda *args: pytest.fail("the model was loaded"))


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(checkpoint, place, monkeypatch, no_model, name):
    args, stdin, code, parts = BAD[name]
    monkeypatch.chdir(place)
    before = sorted(place.rglob("*"))
    model = () if "-m" in args else ("-m", checkpoint)
    assert_one_error(run("say", *model, *args, stdin=stdin), code, parts)
    assert sorted(place.rglob("*")) == before


def damage(folder, fault):
    file = folder / "model.safetensors"
    if fault == "truncated":
        file.write_bytes(file.read_bytes()[:100_000])
    elif fault == "incomplete":
        state = load_file(file)
        del state["semantic.layernorm_final.weight"]
        save_file(state, file, metadata={"format": "pt"})
    else:
        config = json.loads((folder / "config.json").read_text())
        config["semantic_config"]["hidden_size"] = 64
        (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("fault", "part"), [("truncated", "can't be read"), ("incomplete", "lacks 1 weights"), ("sizes", "wrong sizes")]
)
def test_damaged_weights_are_refused(checkpoint, tmp_path, fault, part):
    """Transformers draws missing weights at random and prints a report: noise instead of speech."""
    folder = copy_of(checkpoint, tmp_path / "damaged")
    damage(folder, fault)
    out = tmp_path / "out.wav"
    assert_one_error(say(folder, TEXT, "-o", out), 1, [part, "get the checkpoint again"])
    assert not out.exists()


def test_an_end_at_once_is_an_error(checkpoint, tmp_path):
    out = tmp_path / "out.wav"
    assert_one_error(say(checkpoint, TEXT, "-o", out, "--min-eos-p", "1e-9"), 1, ["ended at once", "--seed"])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_voice_keeps_the_sound(checkpoint, tmp_path, monkeypatch):
    """Minutes of work are not thrown away because the second file can't be made."""
    monkeypatch.setattr(VoicePrompt, "save", lambda self, path: (_ for _ in ()).throw(ValueError("too short.")))
    out = tmp_path / "out.wav"
    result = say(checkpoint, TEXT, "-o", out, "--save-voice", tmp_path / "me.npz")
    assert_one_error(result, 1, ["voice was not saved, only the sound"])
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]


@pytest.mark.parametrize(("fault", "code"), [(KeyboardInterrupt(), 130), (OSError(errno.ENOSPC, "No space left"), 1)])
def test_nothing_half_written_remains(checkpoint, tmp_path, monkeypatch, fault, code):
    def fail(*args):
        raise fault

    out = tmp_path / "out.wav"
    out.write_bytes(b"old")
    monkeypatch.setattr(audio.Path, "replace", fail)
    assert_one_error(say(checkpoint, TEXT, "-o", out), code, [])
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]
    assert out.read_bytes() == b"old"


def test_the_unexpected_is_one_line_too(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(say_module, "load_model", lambda *args: [][1])
    result = say(checkpoint, TEXT, "-o", tmp_path / "out.wav")
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (1, "", 1)
    assert common.DEBUG_VARIABLE in result.stderr
    monkeypatch.setenv(common.DEBUG_VARIABLE, "1")
    assert "Traceback" in say(checkpoint, TEXT, "-o", tmp_path / "out.wav").stderr


# sound files


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A real refusal by the system in the middle of the file."""
    path = tmp_path / "out.wav"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="can't be written"):
            audio.write_file(path, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [file.name for file in tmp_path.iterdir()] == ["out.wav"]
    assert path.read_bytes() == b"old"


def test_clipping():
    cut, clipping = audio.clip(np.array([0.5, -2.0, 1.0, 1.5]))
    assert cut.tolist() == [0.5, -1.0, 1.0, 1.0]
    assert clipping == (2, 2.0)
    with pytest.raises(ValueError, match="1 of 2 samples are NaN"):
        audio.clip(np.array([0.0, np.nan]))


def test_clipping_is_told(checkpoint, tmp_path, monkeypatch):
    load = loading.load_model

    def loud(*args):
        model = load(*args)
        decode = model.codec_model.decode

        def decode_loud(*args, **kwargs):
            result = decode(*args, **kwargs)
            result.audio_values = result.audio_values * 10
            return result

        model.codec_model.decode = decode_loud
        return model

    monkeypatch.setattr(say_module, "load_model", loud)
    result = say(checkpoint, TEXT, "-o", tmp_path / "out.wav")
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith("warning: ")
    assert "were clipped" in line
    assert abs(soundfile.read(tmp_path / "out.wav")[0]).max() <= 1


def test_minutes_of_vorbis():
    """libsndfile's Vorbis encoder crashes the process when it gets so many samples in one call."""
    samples = np.zeros(4_000_000, dtype=np.float32)
    content = audio.encode(samples, 24_000, ".ogg")
    assert soundfile.info(io.BytesIO(content)).frames == samples.size


# voices


def test_voices(checkpoint):
    assert succeeded(run("voices", "-m", checkpoint)) == "v2/en_speaker_6\tEnglish\nde_speaker_1\tGerman\n"
    content = json.loads(succeeded(run("voices", "-m", checkpoint, "--json", "--language", "German")))
    assert content == {"model": str(checkpoint), "voices": [{"name": "de_speaker_1", "language": "de"}]}


def test_no_voices(checkpoint, tmp_path):
    result = run("voices", "-m", checkpoint, "-l", "ko")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"warning: {checkpoint} has no voice presets for ko, but 2 for others\n"
    folder = copy_of(checkpoint, tmp_path / "mute")
    (folder / "speaker_embeddings_path.json").unlink()
    assert json.loads(run("voices", "-m", folder, "--json").stdout)["voices"] == []


def test_bad_input_of_voices(checkpoint, tmp_path):
    assert_one_error(run("voices", "-m", checkpoint, "-l", "xx"), 2, ["'xx'", "de (German)"])
    assert_one_error(run("voices", "-m", tmp_path), 1, ["config.json"])


# doctor


def findings(*args, code=0):
    result = run("doctor", "--json", *args)
    content = json.loads(result.stdout)
    assert (result.exit_code, content["usable"]) == (code, code == 0), result.output
    assert len(result.stderr.splitlines()) == sum(check["state"] == "broken" for check in content["checks"])
    return {check["name"]: check for check in content["checks"]}


def test_doctor(checkpoint):
    found = findings("--model", checkpoint)
    assert found["torch"] == {"name": "torch", "state": "ok", "value": version("torch"), "remedy": ""}
    assert "threads" in found["cpu"]["value"]
    assert "free" in found["cache"]["value"]
    assert "HF_HUB_OFFLINE is set" in found["hub"]["value"]
    assert found["model"]["value"] == f"{checkpoint}, 2 voice presets"
    printed = succeeded(run("doctor"))
    assert re.search(rf"^ok +torch +{re.escape(version('torch'))}$", printed, re.MULTILINE)
    assert "soundfile" in printed


def test_doctor_names_broken_things(tmp_path, monkeypatch):
    """Among them the trap: an installed torchaudio that can't be loaded breaks `import transformers`."""
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text("raise OSError('libcudart.so.13: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(checks.metadata, "requires", lambda name: ["torch>=99", "no-such-package>=1"])
    found = findings("--model", tmp_path, code=1)
    assert "libcudart" in found["torchaudio"]["value"]
    assert "pip uninstall torchaudio" in found["torchaudio"]["remedy"]
    assert "needed is >=99" in found["torch"]["value"]
    assert found["no-such-package"]["remedy"] == "pip install 'no-such-package>=1'"
    assert "has no config.json" in found["model"]["value"]


def test_doctor_looks_into_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--suno--bark-small"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    label = next(name for name in findings() if name.startswith("suno/bark-small"))
    assert findings()[label]["value"] == "not in the cache"
    assert findings()[label]["remedy"] == "hf download suno/bark-small"
    (snapshot / "config.json").touch()
    assert findings()[label]["value"] == "incomplete in the cache"
    (snapshot / "pytorch_model.bin").touch()
    assert findings()[label] == {"name": label, "state": "ok", "value": "in the cache", "remedy": ""}


def test_doctor_knows_the_extras(monkeypatch):
    required = [*(checks.metadata.requires("bark-hf") or []), 'no-such-codec>=1; extra == "encodec"']
    monkeypatch.setattr(checks.metadata, "requires", lambda name: required)
    found = findings()["extra encodec"]
    assert found["state"] == "note"
    assert "no-such-codec" in found["value"]
    assert "pip install 'bark-hf[encodec]'" in found["remedy"]


# convert


def test_convert_hands_everything_over(monkeypatch, tmp_path):
    calls = {}

    def fake(suno_dir, codec, output, on_step, **options):
        on_step("reading")
        calls.update(options, suno_dir=suno_dir, codec=codec, output=output)
        return "the summary"

    monkeypatch.setattr("bark_hf.conversion.convert", fake)
    options = ["--size", "small", "--tokenizer", "t", "--voices", "v", "--dtype", "float16", "--overwrite"]
    result = run("convert", "--suno-dir", "s", "--codec", "c", "--output", "o", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "the summary\n", "reading ...\n")
    paths = {name: Path(name[0]) for name in ("suno_dir", "codec", "output", "tokenizer", "voices")}
    assert calls == paths | {"size": "small", "dtype": "float16", "overwrite": True}


def test_bad_input_of_convert(tmp_path):
    out = tmp_path / "out"
    result = run("convert", "--suno-dir", tmp_path / "no", "--codec", "c", "-o", out)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith(f"error: {tmp_path / 'no'}")
    assert_one_error(run("convert", "--codec", "c", "-o", out), 2, ["--suno-dir"])
    assert not out.exists()


# the whole program


def test_start_page_and_version():
    assert succeeded(run("--version")) == f"bark-hf {version('bark-hf')}\n"
    for page in (run(), run("--help")):
        assert all(command in succeeded(page) for command in ("say", "voices", "doctor", "convert"))
    assert_one_error(run("speak"), 2, ["speak"])


def program(*args, **options):
    command = [sys.executable, "-c", "from bark_hf.cli import main; main()", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, **options)


def test_the_program_prints_results_alone_on_stdout(checkpoint, tmp_path):
    """In a process of its own, so that what libraries print at any level is seen."""
    out = tmp_path / "out.wav"
    process = program("say", "-m", checkpoint, TEXT, "-o", out, *SHORT, "--json", stderr=subprocess.PIPE)
    stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stderr) == (0, b"")
    assert json.loads(stdout)["samples"] == soundfile.info(out).frames


def test_ctrl_c_leaves_nothing_behind(checkpoint, tmp_path):
    """On a terminal, so that the bars are drawn too: Ctrl-C comes when the first one is there."""
    terminal, its_end = pty.openpty()
    process = program("say", "-m", checkpoint, TEXT, "-o", tmp_path / "out.wav", "--min-eos-p", "1", stderr=its_end)
    os.close(its_end)
    seen = b""
    while b"semantic" not in seen:
        seen += os.read(terminal, 4096)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=120)
    seen += read_rest(terminal)
    assert process.returncode == 130
    assert stdout == b""
    assert seen.rstrip().endswith(b"error: interrupted")
    assert b"Traceback" not in seen
    assert list(tmp_path.iterdir()) == []


def read_rest(terminal):
    rest = b""
    try:
        while block := os.read(terminal, 4096):
            rest += block
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(terminal)
    return rest
