"""`bark-hf voices make | show | mix`: the same voices as the functions make, files whole or absent, one-line errors."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner
from voice_recordings import RATE, recording, with_discerning_codec

from bark_hf import BarkModel, BarkProcessor, VoicePrompt
from bark_hf.cli import app
from bark_hf.semantic_tokenizer import FrameNetworkConfig, FrameNetworkTokenizer
from bark_hf.voice_making import make_voice


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def assert_one_error(result, code, words):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


@pytest.fixture(scope="module")
def bark(checkpoint, model, tmp_path_factory):
    """The tiny checkpoint with a semantic tokenizer."""
    folder = shutil.copytree(checkpoint, tmp_path_factory.mktemp("bark") / "bark")
    with_discerning_codec(model).save_pretrained(folder)
    torch.manual_seed(0)
    tokenizer = FrameNetworkTokenizer(FrameNetworkConfig(vocab_size=60, hidden_size=16, num_layers=2))
    tokenizer.save_pretrained(folder / "semantic_tokenizer")
    return folder


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / "me.wav", recording([0.4, 2.0, 0.4]), RATE)
    return tmp_path / "me.wav"


def test_make_writes_what_the_function_makes(bark, wav, tmp_path):
    result = run("voices", "make", "--audio", wav, "-o", tmp_path / "me.npz", "-m", bark)
    assert result.exit_code == 0, result.output
    voice = VoicePrompt.load(tmp_path / "me.npz")
    assert voice == make_voice(wav, model=bark)
    first, second = result.stdout.splitlines()
    assert (
        first
        == f"{tmp_path / 'me.npz'}: {voice.seconds:.2f} s, {len(voice.semantic_prompt)} semantic tokens, 165 frames"
    )
    assert second.startswith(f"from 0.30 s to 2.50 s of {wav} (2.80 s), speech ")
    assert "agree" in result.stderr
    inputs = BarkProcessor.from_pretrained(bark)("hello world", voice_preset=str(tmp_path / "me.npz"))
    out = BarkModel.from_pretrained(bark).generate(**inputs, max_duration_s=0.2, seed=1, return_dict_in_generate=True)
    assert out.audio_lengths[0] > 0


def test_make_options_reach_the_function(bark, wav, tmp_path):
    soundfile.write(wav, 0.03 * recording([0.4, 2.0, 0.4], noise=1e-5), RATE, subtype="FLOAT")
    options = ("--keep-loudness", "--text", "hello world this", "--json", "--semantic-tokenizer", bark)
    result = run("voices", "make", "-a", wav, "-o", tmp_path / "me.npz", "-m", bark, *options)
    content = json.loads(result.stdout)
    assert (content["start"], content["end"], content["recording_seconds"]) == (0.3, 2.5, 2.8)
    assert (content["frames"], content["notes"]) == (165, [])
    from bark_hf.voice_making import RecordingRules

    expected = make_voice(wav, model=bark, rules=RecordingRules(loudness_db=None))
    assert VoicePrompt.load(tmp_path / "me.npz") == expected
    assert expected != make_voice(wav, model=bark)


def test_make_says_what_it_left_out(bark, tmp_path):
    soundfile.write(tmp_path / "long.wav", recording([0.5, 3.0, 1.0, 4.0, 0.5]), RATE)
    result = run(
        "voices", "make", "-a", tmp_path / "long.wav", "-o", tmp_path / "me.npz", "-m", bark, "--max-seconds", 5
    )
    assert "warning: " in result.stderr
    assert "only 4.40 s to 8.60 s of the 9.00 s were taken" in result.stderr
    assert VoicePrompt.load(tmp_path / "me.npz").seconds == pytest.approx(4.2, abs=0.05)


def test_bad_input_of_make(bark, checkpoint, wav, tmp_path):
    out = tmp_path / "me.npz"
    out.write_bytes(b"old")

    def make(*args, audio=wav, output=out, model=bark):
        return run("voices", "make", "-a", audio, "-o", output, "-m", model, *args)

    assert_one_error(make(output=tmp_path / "me.wav"), 2, [".npz", "me.npz"])
    assert_one_error(make(output=tmp_path / "no" / "me.npz"), 1, ["does not exist", "create it"])
    assert_one_error(make(audio=tmp_path / "no.wav"), 1, ["there is no sound file", "no.wav"])
    assert_one_error(make(model=checkpoint), 1, ["no semantic tokenizer", "quantifier_hubert_base_ls960_14.pth"])
    assert_one_error(make("--text", "x" * 100), 1, ["50.0 per second"])
    assert_one_error(make("--max-seconds", 0.1), 1, ["max_seconds=0.1", "0.2 to 60"])
    assert_one_error(make("--min-snr", 95), 1, ["too noisy", "95 dB"])
    assert_one_error(make("--speech-encoder", "x"), 1, ["speech_encoder='x'", "leave it out"])
    assert_one_error(make("--loudness-db", 5), 1, ["loudness_db=5"])
    assert_one_error(run("voices", "make", "-a", wav), 2, ["--output"])
    assert out.read_bytes() == b"old"


def test_options_before_a_subcommand_are_refused_and_not_ignored(bark, wav, tmp_path):
    for options, named in ((("-m", bark), "--model"), (("-l", "de"), "--language"), (("--json",), "--json")):
        result = run("voices", *options, "make", "-a", wav, "-o", tmp_path / "me.npz")
        assert_one_error(result, 2, [f"{named} stands before make"])


def test_show(bark, tmp_path):
    voice = BarkProcessor.from_pretrained(bark).voice("v2/en_speaker_6")
    voice.save(tmp_path / "me.npz")
    picture, sound = tmp_path / "me.png", tmp_path / "me.wav"
    result = run("voices", "show", tmp_path / "me.npz", "-m", bark, "-o", picture, "--play", sound)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == f"{tmp_path / 'me.npz'}: 3.00 s, 225 frames at 75 Hz"
    assert lines[1].startswith("149 semantic tokens at 49.9 Hz")
    assert lines[-2:] == [str(picture), str(sound)]
    assert picture.read_bytes().startswith(b"\x89PNG")
    samples, rate = soundfile.read(sound, dtype="float32")
    codec = BarkModel.from_pretrained(bark).codec_model
    expected = codec.decode(torch.from_numpy(voice.fine_prompt)[None, None], [None]).audio_values[0, 0]
    assert rate == RATE
    np.testing.assert_allclose(samples, expected.clamp(-1, 1).detach().numpy(), atol=1 / 32768)


def test_show_a_preset_as_json_reads_no_weights(bark, tmp_path):
    folder = shutil.copytree(bark, tmp_path / "no-weights")
    (folder / "model.safetensors").write_bytes(b"")
    content = json.loads(run("voices", "show", "de_speaker_1", "-m", folder, "--json").stdout)
    assert (content["voice"], content["seconds"], content["n_tokens"]) == ("de_speaker_1", 4.0, 199)
    assert content["heard"]["fine"] == 4.0


def test_bad_input_of_show(bark, tmp_path):
    def show(voice, *args):
        return run("voices", "show", voice, "-m", bark, *args)

    assert_one_error(show("v2/en_speaker_66"), 1, ["did you mean 'v2/en_speaker_6'"])
    assert_one_error(show(tmp_path / "no.npz"), 1, ["there is no voice file"])
    assert_one_error(show("v2/en_speaker_6", "-o", tmp_path / "me.jpg"), 2, [".png"])
    assert_one_error(show("v2/en_speaker_6", "--play", tmp_path / "me.mp3"), 2, ["--play", ".wav"])
    high = VoicePrompt(np.zeros(100, int), np.full((2, 150), 1023), np.full((8, 150), 1023))
    high.save(tmp_path / "high.npz")
    config = json.loads((bark / "generation_config.json").read_text())
    small = shutil.copytree(bark, tmp_path / "small")
    config["codebook_size"] = 512
    (small / "generation_config.json").write_text(json.dumps(config))
    result = run("voices", "show", tmp_path / "high.npz", "-m", small)
    assert_one_error(result, 1, ["1023", "0..511", "give that as --model"])


def test_mix_is_refused_with_the_reason():
    for voices in ((), ("a.npz", "b.npz")):
        assert_one_error(run("voices", "mix", *voices), 2, ["can't be mixed", "token numbers", "one speaker"])
