"""Voices from recordings: against direct calls of codec and tokenizer, brute force over stretches, sums by hand."""

from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import pytest
import soundfile
import soxr
import torch
from tokenizer_fixtures import tiny_hubert
from voice_recordings import RATE, phrase, recording, with_discerning_codec

from bark_hf import BarkGenerationConfig, VoicePrompt
from bark_hf.semantic_tokenizer import (
    FrameNetworkConfig,
    FrameNetworkTokenizer,
    HubertQuantizer,
    HubertQuantizerConfig,
)
from bark_hf.training.prepare.sound import frame_levels_db
from bark_hf.voice_making import RecordingRules, VoiceMaker, describe_voice, make_voice, play_voice
from bark_hf.voice_making import recording as recording_module
from bark_hf.voice_making.recording import Recording, look_through
from bark_hf.voice_making.stretch import best_stretch


@pytest.fixture(scope="module")
def model(model):
    return with_discerning_codec(model)


@pytest.fixture(scope="module")
def tokenizer():
    torch.manual_seed(0)
    return FrameNetworkTokenizer(FrameNetworkConfig(vocab_size=60, hidden_size=16, num_layers=2)).eval()


@pytest.fixture(scope="module")
def maker(model, tokenizer):
    return VoiceMaker(model, tokenizer)


def levels_of(layout, seed=0):
    """A recording that is only levels: pauses at -70 dB and phrases at about -20 dB, in pieces of 10 ms."""
    rng = np.random.default_rng(seed)
    levels = np.concatenate([np.full(n, -20.0 if i % 2 else -70.0) for i, n in enumerate(layout)])
    levels += rng.uniform(-1, 1, levels.shape)
    n_pieces = levels.shape[0]
    return Recording(np.empty(0), "r", 8_000, n_pieces * 80, 1, levels, np.zeros(n_pieces, dtype=np.int64))


def levelled_by_hand(sound):
    """-23 dB root mean square, peaks at most -1 dB."""
    sound = sound.astype(np.float64)
    gain = 10 ** (-23 / 20) / np.sqrt(np.mean(sound**2))
    return (sound * min(gain, 10 ** (-1 / 20) / np.abs(sound).max())).astype(np.float32)


# what is encoded


def test_a_voice_is_what_codec_and_tokenizer_say_about_the_levelled_speech(model, tokenizer, maker):
    sound = recording([0.5, 2.0, 0.4, 1.5, 0.7])
    made = maker.make(sound, RATE, name="me")
    by_hand = levelled_by_hand(sound[round(0.4 * RATE) : round(4.5 * RATE)])  # 0.1 s of silence kept at both ends
    np.testing.assert_allclose(made.sound, by_hand, rtol=1e-4, atol=1e-6)
    assert (made.start, made.end) == (pytest.approx(0.4), pytest.approx(4.5))
    assert made.notes == ()

    codec = maker.encoder.codec  # a copy: MKL's last bits hang on where weights lie, and random codebooks nearly tie
    torch.testing.assert_close(codec.state_dict(), model.codec_model.state_dict(), rtol=0, atol=0)
    with torch.inference_mode():
        codes = codec.encode(torch.from_numpy(made.sound)[None, None], bandwidth=6.0).audio_codes[0, 0].numpy()
    semantic = tokenizer.encode(made.sound, RATE).numpy()
    n_tokens, n_frames = made.voice.semantic_prompt.shape[0], made.voice.fine_prompt.shape[1]
    assert n_frames == round(n_tokens * 75 / 49.9)
    assert all(len(np.unique(row)) > 10 for row in codes)
    assert len(np.unique(semantic)) > 2
    assert (codes.shape[1], semantic.shape[0]) == (308, 205)  # 4.1 s at 75 and at 50 Hz
    assert (n_tokens, n_frames) == (205, 308)
    np.testing.assert_array_equal(made.voice.semantic_prompt, semantic[:n_tokens])
    np.testing.assert_array_equal(made.voice.fine_prompt, codes[:, :n_frames])
    np.testing.assert_array_equal(made.voice.coarse_prompt, codes[:2, :n_frames])
    assert made.voice.name == "me"


def test_files_of_any_rate_and_channels_are_mixed_and_resampled(maker, tmp_path):
    sound = recording([0.3, 2.0, 0.3], rate=44_100)
    stereo = np.stack([sound, 0.5 * sound], axis=1)
    soundfile.write(tmp_path / "me.flac", stereo, 44_100, subtype="PCM_24")
    made = maker.make(tmp_path / "me.flac")
    mono = soundfile.read(tmp_path / "me.flac", dtype="float32")[0].mean(axis=1)[
        round(0.2 * 44_100) : round(2.4 * 44_100)
    ]
    np.testing.assert_allclose(made.sound, levelled_by_hand(soxr.resample(mono, 44_100, RATE)), rtol=1e-3, atol=1e-5)
    assert made.voice.name == "me"
    assert made.notes == ("2 channels were mixed to one",)


def test_folder_model_and_codec_give_the_same_voice(model, tokenizer, tmp_path):
    folder = tmp_path / "bark"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder / "semantic_tokenizer")
    sound = recording([0.2, 1.5, 0.2])
    voice = make_voice(sound, RATE, folder)
    assert voice == make_voice(sound, RATE, model, tokenizer)
    assert voice == make_voice(sound, RATE, model.codec_model, tokenizer)
    model.codec_model.save_pretrained(tmp_path / "codec")
    assert voice == make_voice(sound, RATE, tmp_path / "codec", tokenizer)
    voice.save(tmp_path / "me.npz")
    assert VoicePrompt.load(tmp_path / "me.npz") == voice


def test_a_model_in_half_precision_encodes_in_single_precision_and_stays_as_it_is(model, tokenizer):
    half = copy.deepcopy(model).to(torch.bfloat16)
    voice = make_voice(recording([0.2, 1.5, 0.2]), RATE, half, tokenizer)
    assert voice.fine_prompt.shape == (8, round(voice.semantic_prompt.shape[0] * 75 / 49.9))
    assert half.codec_model.dtype == torch.bfloat16


def test_integers_are_pcm(maker):
    sound = recording([0.2, 1.5, 0.2])
    as_int = np.rint(sound * 32768).astype(np.int16)
    assert maker.make(as_int, RATE).voice == maker.make((as_int / 32768).astype(np.float32), RATE).voice


def test_loudness_can_be_kept(model, tokenizer):
    sound = recording([0.2, 1.5, 0.2])
    made = VoiceMaker(model, tokenizer, rules=RecordingRules(loudness_db=None)).make(sound, RATE)
    np.testing.assert_array_equal(made.sound, sound[round(0.1 * RATE) : round(1.8 * RATE)])


def test_a_community_quantizer(model, tmp_path):
    """A bare `.pth` of Suno's 10,000 ids, whose HuBERT is given as a folder; of its layer 9."""
    encoder = tiny_hubert(tmp_path / "hubert", num_hidden_layers=9)
    config = HubertQuantizerConfig(str(encoder), input_size=16, hidden_size=8, intermediate_size=None)
    torch.manual_seed(1)
    reference = HubertQuantizer(config).eval()
    for parameter in reference.parameters():
        torch.nn.init.normal_(parameter)  # or a random network would say nearly the same of every frame
    torch.save(reference.own_state(), tmp_path / "q.pth")
    made = VoiceMaker(model, tmp_path / "q.pth", speech_encoder=encoder).make(recording([0.2, 1.5, 0.2]), RATE)
    semantic = reference.encode(made.sound, RATE).numpy()
    assert len(np.unique(semantic)) > 3
    n_tokens = made.voice.semantic_prompt.shape[0]
    assert semantic.shape[0] - n_tokens in (0, 1)
    np.testing.assert_array_equal(made.voice.semantic_prompt, semantic[:n_tokens])
    with pytest.raises(ValueError, match=r"facebook/hubert-base-ls960 can't be had.*hf download"):
        VoiceMaker(model, tmp_path / "q.pth")


# which part is taken


@pytest.mark.parametrize("seed", range(12))
def test_the_best_stretch_is_that_of_brute_force(seed):
    """Phrases from pause to pause: the most speech within max_seconds, over all pairs of first and last phrase."""
    rng = np.random.default_rng(seed)
    layout = [int(n) for pair in zip(rng.integers(25, 120, 12), rng.integers(20, 400, 12), strict=True) for n in pair]
    edges = np.cumsum(layout)
    phrases = [(int(edges[i - 1]), int(edges[i])) for i in range(1, len(layout), 2)]
    fitting = [
        (first, last)
        for i, (first, _) in enumerate(phrases)
        for _, last in phrases[i:]
        if last - first <= 980  # 10 s less the margins
    ]
    best = max(sum(b - a for a, b in phrases if first <= a and b <= last) for first, last in fitting)
    found = best_stretch(levels_of([*layout, 30], seed), RecordingRules(max_seconds=10.0))
    inside = sum(b - a for a, b in phrases if found.start <= a and b <= found.end)
    assert inside == best
    assert not found.cut
    assert found.end - found.start <= 1000


def test_a_long_phrase_is_cut_only_if_nothing_else_will_do():
    """Words of 0.4 s with gaps of 0.1 s, which are no pauses."""
    long = [40, 10] * 59 + [40]
    alone = best_stretch(levels_of([50, *long, 50]), RecordingRules())
    assert (alone.end - alone.start, alone.cut) == (1200, True)
    short = [40, 10] * 22 + [40]  # 920 pieces of speech from pause to pause; a window of the long one has 944
    beside = best_stretch(levels_of([50, *long, 50, *short, 50]), RecordingRules())
    assert (beside.start, beside.end, beside.cut) == (3080, 4240, False)


def test_clipped_phrases_are_left_out():
    whole = levels_of([30, 300, 50, 200, 30])
    whole.clipped[100:110] = 5
    found = best_stretch(whole, RecordingRules())
    assert (found.start, found.end) == (370, 590)


def test_a_recording_of_fifty_minutes(maker, tmp_path):
    """Two short utterances in 50 minutes; what was taken is said."""
    rate = 8_000
    sound = np.zeros(50 * 60 * rate, dtype=np.int16)
    for at, seconds in ((700, 2.0), (2_900, 3.0)):
        samples = np.rint(phrase(seconds, rate) * 32767).astype(np.int16)
        sound[at * rate : at * rate + samples.shape[0]] = samples
    soundfile.write(tmp_path / "long.wav", sound, rate)
    made = maker.make(tmp_path / "long.wav")
    assert (made.start, made.end) == (pytest.approx(2_899.9, abs=0.02), pytest.approx(2_903.1, abs=0.02))
    assert "only 2899.90 s to 2903.10 s of the 3000.00 s were taken" in made.notes[0]
    assert "8000 Hz" in made.notes[1]


def test_blocks_make_no_difference(tmp_path, monkeypatch):
    sound = recording([0.31, 1.0, 0.333])
    sound[5_000:5_003] = 1.0
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    monkeypatch.setattr(recording_module, "_BLOCK_PIECES", 7)
    found = look_through(tmp_path / "a.wav")
    np.testing.assert_allclose(found.levels, frame_levels_db(sound, RATE), rtol=1e-6)
    assert found.n_samples == sound.shape[0]
    assert dict(zip(*np.unique(found.clipped, return_counts=True), strict=True)) == {0: found.levels.shape[0] - 1, 3: 1}
    assert found.clipped[5_000 // 240] == 3


# what is refused


def bad_files(folder):
    good = recording([0.3, 2.0, 0.3])
    clipped = (30 * good).clip(-1, 1)
    rng = np.random.default_rng(0)
    sounds = {
        "short": good[RATE // 2 : RATE // 2 + RATE // 10],
        "little": recording([10.0, 0.4, 10.0]),
        "silent": np.zeros(5 * RATE, dtype=np.float32),
        "clipped": clipped,
        "noise": 0.1 * rng.standard_normal(5 * RATE),
        "noisy": recording([0.5, 1.0, 0.5, 1.0, 0.5], noise=0.08),
        "nan": np.where(np.arange(good.shape[0]) == 777, np.nan, good),
        "empty": good[:0],
    }
    for name, sound in sounds.items():
        soundfile.write(folder / f"{name}.wav", sound, RATE, subtype="FLOAT")
    soundfile.write(folder / "slow.wav", good[::4], 6_000)
    (folder / "text.wav").write_text("no sound")
    (folder / "zero.mp3").write_bytes(b"")
    (folder / "folder.wav").mkdir()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("short.wav", ["0.10 s", "1 s", "record more"]),
        ("little.wav", ["0.60 s of speech", "20.40 s long"]),
        ("silent.wav", ["is silent", "-120 dB", "-60 dB"]),
        ("clipped.wav", ["is clipped", "0.10%"]),
        ("noise.wav", ["too noisy", "10 dB"]),
        ("noisy.wav", ["too noisy", "10 dB"]),
        ("nan.wav", ["1 samples", "NaN"]),
        ("empty.wav", ["no samples"]),
        ("slow.wav", ["6000 Hz", "8000 Hz"]),
        ("text.wav", ["can't be read as sound", "ffmpeg"]),
        ("zero.mp3", ["can't be read as sound", "ffmpeg"]),
        ("folder.wav", ["there is no sound file"]),
        ("missing.wav", ["there is no sound file"]),
    ],
)
def test_bad_recordings_are_one_clear_line(maker, tmp_path, name, words):
    bad_files(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        maker.make(tmp_path / name)
    message = str(error.value)
    assert all(word in message for word in words), message
    assert name in message
    assert "\n" not in message


def test_bad_arrays(maker):
    with pytest.raises(ValueError, match=r"shape \[2, 9\]"):
        maker.make(np.zeros((2, 9), dtype=np.float32), RATE)
    with pytest.raises(TypeError, match="sampling_rate is needed"):
        maker.make(np.zeros(9, dtype=np.float32))
    with pytest.raises(TypeError, match="leave it out"):
        maker.make("me.wav", RATE)
    with pytest.raises(ValueError, match=r"max_seconds=0\.5"):
        RecordingRules(max_seconds=0.5)


def test_noise_that_is_not_too_loud_is_noted(maker):
    made = maker.make(recording([0.5, 1.0, 0.5, 1.0, 0.5], noise=0.02), RATE)
    # phrase: 0.12**2 / 2 * sum(1 / k**2 for k in 1..11) * mean of (0.6 + 0.4 cos)**2 over noise of 0.02**2
    power = 0.12**2 / 2 * sum(1 / k**2 for k in range(1, 12)) * (0.36 + 0.08)
    assert made.snr_db == pytest.approx(10 * np.log10(power / 0.02**2), abs=1.5)
    assert any("voice will have that noise" in note for note in made.notes)


def test_the_text_must_fit_the_length(maker):
    sound = recording([0.5, 2.0, 0.5])
    assert maker.make(sound, RATE, text="x" * 40).voice == maker.make(sound, RATE).voice
    with pytest.raises(ValueError, match=r"100 characters in 2\.0 s are 50\.0 per second"):
        maker.make(sound, RATE, text="x" * 100)
    with pytest.raises(ValueError, match=r"1\.5 per second"):
        maker.make(sound, RATE, text=" x \n x ")
    with pytest.raises(ValueError, match="text is empty"):
        maker.make(sound, RATE, text=" ")


def test_a_missing_tokenizer_says_where_it_comes_from(checkpoint, model, tokenizer, tmp_path):
    with pytest.raises(ValueError, match=r"no semantic tokenizer.*quantifier_hubert_base_ls960_14.pth"):
        VoiceMaker(checkpoint)
    with pytest.raises(ValueError, match=r"no semantic tokenizer.*quantifier_hubert_base_ls960_14.pth"):
        VoiceMaker(model)
    with pytest.raises(ValueError, match=r"there is no file .*q\.pth"):
        VoiceMaker(checkpoint, tmp_path / "q.pth")
    with pytest.raises(ValueError, match="know their encoder"):
        VoiceMaker(checkpoint, tokenizer, speech_encoder="hubert")
    folder = shutil.copytree(checkpoint, tmp_path / "bark")
    config = json.loads((folder / "generation_config.json").read_text())
    config["semantic_config"] = {"semantic_vocab_size": 128, "eos_token_id": 128, "semantic_pad_token": 128}
    (folder / "generation_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="the one that the checkpoint was trained with"):
        VoiceMaker(folder)


def test_a_tokenizer_of_another_checkpoint_is_refused(model):
    slow = FrameNetworkTokenizer(FrameNetworkConfig(vocab_size=60, hidden_size=16, num_layers=2, hop_length=640))
    with pytest.raises(ValueError, match=r"25 tokens per second.*49.9"):
        VoiceMaker(model, slow)


def test_no_checkpoint(tokenizer, tmp_path):
    with pytest.raises((ValueError, OSError), match="no codec and no Bark checkpoint"):
        VoiceMaker(tmp_path, tokenizer)


# a voice shown


def test_description_and_sound_of_a_voice(model):
    semantic = np.r_[np.full(30, 7), np.arange(100), np.full(26, 3)]
    fine = np.random.default_rng(0).integers(0, 1024, (8, round(156 * 75 / 49.9)))
    voice = VoicePrompt(semantic, fine[:2], fine)
    shown = describe_voice(voice, BarkGenerationConfig())
    assert shown.n_different == 100
    assert shown.longest_run == (7, 0.0, 30)
    assert [run.token for run in shown.long_runs] == [7, 3]
    assert shown.long_runs[1].start == pytest.approx(130 / 49.9)
    assert shown.heard == {
        "semantic": pytest.approx(156 / 49.9),
        "coarse": pytest.approx(voice.seconds),
        "fine": pytest.approx(voice.seconds),
    }
    long = VoicePrompt(np.zeros(600, int), np.zeros((2, 902), int), np.zeros((8, 902), int))
    assert describe_voice(long, BarkGenerationConfig()).heard == {
        "semantic": pytest.approx(256 / 49.9),
        "coarse": pytest.approx(315 / 75),
        "fine": pytest.approx(512 / 75),
    }
    out = play_voice(voice, model.codec_model, BarkGenerationConfig())
    expected = model.codec_model.decode(torch.from_numpy(fine)[None, None], [None]).audio_values[0, 0]
    torch.testing.assert_close(out.waveform(), expected)
    assert out.voice(0) == voice
