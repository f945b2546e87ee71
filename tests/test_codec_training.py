"""Codec training: losses against formulas, crops against the files, runs that are killed and go on."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny import tiny_model
from transformers import AutoModel

from bark_hf.codec.mel import BarkMelCodecModel
from bark_hf.codec.vocos_encodec import VocosEncodecModel
from bark_hf.training import codec_trainer
from bark_hf.training.codec_losses import (
    discriminator_hinge,
    feature_matching,
    generator_hinge,
    mel_l1,
    stft_loss,
)
from bark_hf.training.codec_sounds import SoundCrops, find_sounds, split_sounds, whole_sounds
from bark_hf.training.codec_training import CodecRecipe, train_codec
from bark_hf.training.discriminators import Discriminators, folded

TINY_RUN = {
    "max_steps": 6,
    "batch_size": 2,
    "crop_seconds": 0.1,
    "learning_rate": 2e-3,
    "warmup_steps": 0.0,
    "logging_steps": 1,
    "eval_steps": 3,
    "save_steps": 3,
    "precision": "fp32",
    "device": "cpu",
    "fit_frames": 400,
    "n_components": 8,
    "num_quantizers": 3,
    "codebook_size": 16,
    "decoder_hidden_size": 16,
    "decoder_num_layers": 1,
    "decoder_intermediate_size": 16,
}


def write_tone(path: Path, seed: int, seconds: float = 0.8, rate: int = 16_000) -> None:
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    sound = sum(np.sin(2 * np.pi * n * rng.uniform(100, 200) * time) / n for n in range(1, 6))
    soundfile.write(path, 0.1 * sound + rng.normal(0, 0.01, time.size), rate)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Six files in two folders, of two rates and two formats, with a metadata file beside them."""
    folder = tmp_path_factory.mktemp("sounds")
    (folder / "deep").mkdir()
    for n in range(6):
        rate = 24_000 if n % 2 else 16_000
        write_tone(folder / (f"deep/{n}.flac" if n > 3 else f"{n}.wav"), n, 0.8 + 0.1 * n, rate)
    (folder / "metadata.csv").write_text("file_name,text\n0.wav,hello\n")
    return folder


@pytest.fixture(scope="module")
def run(sounds, tmp_path_factory):
    """A finished run: its folder."""
    folder = tmp_path_factory.mktemp("run")
    train_codec(CodecRecipe(output_dir=str(folder), data=str(sounds), **TINY_RUN))
    return folder


def losses(folder: Path) -> list[tuple[float, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line.get("loss", line.get("eval_loss"))) for line in lines]


def test_mel_l1_of_a_gain_is_its_log():
    audio = torch.randn(2, 8000) * 0.1
    assert float(mel_l1(audio * np.e, audio, 24_000)) == pytest.approx(1.0, abs=1e-4)
    assert float(mel_l1(audio, audio, 24_000)) == 0.0


def test_stft_loss_by_hand():
    torch.manual_seed(0)
    one, two = torch.randn(2, 3000) * 0.1, torch.randn(2, 3000) * 0.2
    expected = []
    for size in (64, 256):
        window = np.hanning(size + 1)[:-1]
        padded = [
            np.pad(audio.double().numpy(), ((0, 0), (size // 2, size // 2)), mode="reflect") for audio in (one, two)
        ]
        starts = range(0, padded[0].shape[1] - size + 1, size // 2)
        a, b = (
            np.abs([[np.fft.rfft(row[s : s + size] * window) for s in starts] for row in rows]) * 2 / window.sum()
            for rows in padded
        )
        convergence = [np.linalg.norm(b[i] - a[i]) / np.linalg.norm(b[i]) for i in range(2)]
        difference = np.abs(np.log(np.maximum(a, 1e-4)) - np.log(np.maximum(b, 1e-4))).mean()
        expected.append(np.mean(convergence) + difference)
    assert float(stft_loss(one, two, (64, 256))) == pytest.approx(np.mean(expected), rel=1e-4)


def test_losses_are_float32_under_autocast():
    audio = torch.randn(1, 4000) * 0.1
    other = audio + torch.randn(1, 4000) * 0.01
    plain = float(mel_l1(other, audio, 24_000)), float(stft_loss(other, audio))
    with torch.autocast("cpu", torch.bfloat16):
        assert (float(mel_l1(other, audio, 24_000)), float(stft_loss(other, audio))) == plain


def test_hinges_and_feature_matching_by_hand():
    real, fake = [torch.tensor([2.0, 0.5]), torch.tensor([0.0])], [torch.tensor([-2.0, 0.0]), torch.tensor([3.0])]
    assert float(discriminator_hinge(real, fake)) == pytest.approx(((0.25 + 0.5) + (1.0 + 4.0)) / 2)
    assert float(generator_hinge(fake)) == pytest.approx(((3.0 + 1.0) / 2 + 0.0) / 2)
    found = feature_matching([[torch.tensor([2.0, -2.0])]], [[torch.tensor([1.0, -2.0])]])
    assert float(found) == pytest.approx(0.5 / 2.0)


def test_folded_signals_are_every_pth_sample():
    found = folded(torch.arange(7.0)[None].repeat(2, 1), 3)
    assert found[:3, 0].tolist() == [[0, 3, 6], [1, 4, 0], [2, 5, 0]]
    assert torch.equal(found[3:], found[:3])


def test_discriminators_learn_to_tell_sine_from_noise():
    torch.manual_seed(0)
    networks = Discriminators(2)
    optimizer = torch.optim.Adam(networks.parameters(), lr=5e-3)
    real = torch.sin(torch.arange(2048) / 5)[None].repeat(2, 1) * 0.3
    for _ in range(40):
        loss = discriminator_hinge(networks(real).scores, networks(torch.randn(2, 2048) * 0.2).scores)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1.0  # 2.0 for networks that can't tell
    assert all(parameter.grad is not None for parameter in networks.parameters())


def test_crops_come_from_their_file_and_place(sounds):
    found = find_sounds(sounds)
    crops = SoundCrops(found, 24_000, 4800, seed=1)
    number = next(n for n, sound in enumerate(found) if sound.path.endswith("1.wav"))  # 24 kHz: not resampled
    whole, _ = soundfile.read(found[number].path, dtype="float32")
    crop = crops[(3, number)]["input_values"][0].numpy()
    assert crop.shape == (4800,)
    gain = np.linalg.norm(crop) / 1.0
    correlation = np.correlate(whole, crop, mode="valid")
    windows = np.sqrt(np.convolve(whole**2, np.ones(4800), mode="valid"))
    assert (correlation / (windows * gain)).max() == pytest.approx(1.0, abs=1e-4)


def test_crops_are_a_function_of_seed_epoch_and_file(sounds):
    found = find_sounds(sounds)
    crops, again = SoundCrops(found, 24_000, 4800, seed=1), SoundCrops(found, 24_000, 4800, seed=1)
    later = again[(5, 2)]["input_values"]
    assert torch.equal(crops[(0, 2)]["input_values"], again[2]["input_values"])
    assert torch.equal(crops[(5, 2)]["input_values"], later)
    assert not torch.equal(crops[(4, 2)]["input_values"], later)
    assert not torch.equal(SoundCrops(found, 24_000, 4800, seed=2)[(5, 2)]["input_values"], later)


def test_short_file_is_padded_and_long_file_read_in_part(tmp_path):
    write_tone(tmp_path / "short.wav", 0, 0.6)
    write_tone(tmp_path / "long.wav", 1, 70.0, 8_000)
    found = find_sounds(tmp_path)
    crops = SoundCrops(found, 24_000, 24_000)
    short = crops[1]["input_values"][0]
    assert short[:14_000].abs().max() > 0
    assert (short[14_400:] == 0).all()
    assert crops[0]["input_values"].shape == (1, 24_000)
    assert [round(len(audio) / 24_000, 1) for audio in whole_sounds(found, 24_000, 1e9, 0)].count(30.0) == 1


def test_broken_files_are_named_and_left_out(tmp_path, caplog):
    write_tone(tmp_path / "good.wav", 0)
    write_tone(tmp_path / "blip.wav", 0, 0.1)
    (tmp_path / "broken.wav").write_bytes(b"RIFF and nothing")
    with caplog.at_level(logging.WARNING):
        assert [Path(sound.path).name for sound in find_sounds(tmp_path)] == ["good.wav"]
    assert "1 of 3 files" in caplog.text
    assert "broken.wav" in caplog.text


def test_file_that_breaks_later_is_replaced(sounds, tmp_path, caplog):
    nan = np.full(16_000, np.nan, np.float32)
    soundfile.write(tmp_path / "a.wav", nan, 16_000, subtype="FLOAT")
    write_tone(tmp_path / "b.wav", 3)
    found = find_sounds(tmp_path)
    crops = SoundCrops(found, 24_000, 4800)
    with caplog.at_level(logging.WARNING):
        crop = crops[0]["input_values"]
    assert crop.isfinite().all()
    assert crop.abs().max() > 0
    assert "a.wav has NaN" in caplog.text
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match="none of 2 sound files"):
        crops[0]


def test_silent_file_gives_silence(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    assert not SoundCrops(find_sounds(tmp_path), 24_000, 4800)[0]["input_values"].any()


def test_folders_without_sound_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        find_sounds(tmp_path / "nothing")
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(ValueError, match=r"no readable sound of at least 0\.5 s \(1 files broken"):
        find_sounds(tmp_path)


def test_index_is_used_until_the_file_changes(tmp_path):
    folder, index = tmp_path / "sounds", tmp_path / "index.json"
    folder.mkdir()
    write_tone(folder / "a.wav", 0, 1.0)
    assert find_sounds(folder, index)[0].seconds == 1.0
    content = json.loads(index.read_text())
    content[str(folder / "a.wav")][2] = 7.0
    index.write_text(json.dumps(content))
    assert find_sounds(folder, index)[0].seconds == 7.0  # it didn't look into the file
    write_tone(folder / "a.wav", 0, 2.0)
    assert find_sounds(folder, index)[0].seconds == 2.0
    index.write_text("{half")
    assert find_sounds(folder, index)[0].seconds == 2.0


def test_split_is_disjoint_and_stable(sounds):
    found = find_sounds(sounds)
    kept, held_out = split_sounds(found, 0.34, 100, seed=0)
    assert len(held_out) == 2
    assert sorted(kept + held_out) == found
    assert split_sounds(found, 0.9, 3, seed=0)[1] == sorted(split_sounds(found, 0.5, 100, seed=0)[1])
    assert split_sounds(found, 0, 100, seed=0) == (found, [])
    with pytest.raises(ValueError, match="can't be split"):
        split_sounds(found[:1], 0.1, 100, seed=0)


def test_run_writes_a_codec_that_loads(run):
    codec, fitted = AutoModel.from_pretrained(run / "model"), AutoModel.from_pretrained(run / "fitted")
    assert isinstance(codec, BarkMelCodecModel)
    assert torch.equal(codec.quantizer.codebooks, fitted.quantizer.codebooks)
    assert not torch.equal(codec.decoder.head.weight, fitted.decoder.head.weight)
    assert codec.config.num_quantizers == 3
    assert codec(torch.randn(1, 1, 3200) * 0.1).audio_values.shape == (1, 1, 3200)
    steps = [step for step, _ in losses(run)]
    assert steps == [1, 2, 3, 3, 4, 5, 6, 6]
    assert not list(run.glob(".*"))


def test_codebooks_are_found_once(run, sounds, tmp_path, monkeypatch):
    shutil.copytree(run / "fitted", tmp_path / "fitted")

    def never(*args, **kwargs):
        raise AssertionError("fitted again")

    monkeypatch.setattr("bark_hf.training.codec_starting.fit_quantizer", never)
    options = {"output_dir": str(tmp_path), "data": str(sounds)} | TINY_RUN | {"max_steps": 1}
    train_codec(CodecRecipe(**options))
    assert [step for step, _ in losses(tmp_path)] == [1, 1]  # a step and the evaluation at the end
    with pytest.raises(AssertionError, match="fitted again"):
        train_codec(CodecRecipe(**options | {"fit_frames": 300, "resume": False}))
    assert not (tmp_path / "checkpoint-1").exists()
    with pytest.raises(AssertionError, match="fitted again"):
        train_codec(CodecRecipe(**options | {"fit_frames": 300}))


def test_training_lowers_both_losses(sounds, tmp_path):
    recipe = CodecRecipe(output_dir=str(tmp_path), data=str(sounds), **TINY_RUN | {"max_steps": 30, "eval_steps": 10})
    train_codec(recipe)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    trained = [line["loss"] for line in lines if "loss" in line]
    judged = [line["eval_loss"] for line in lines if "eval_loss" in line]
    assert np.mean(trained[-6:]) < 0.85 * np.mean(trained[:2])
    assert judged[-1] < 0.9 * judged[0]


def test_evaluation_loss_is_the_mel_difference(run, sounds):
    kept, held_out = split_sounds(find_sounds(sounds), 0.05, 256, 0)
    crop = SoundCrops(held_out, 24_000, 8 * 320)[0]["input_values"][None]
    with torch.no_grad():
        predicted = AutoModel.from_pretrained(run / "model")(crop).audio_values
    assert losses(run)[-1][1] == pytest.approx(float(mel_l1(predicted[:, 0], crop[:, 0], 24_000)), rel=1e-4)
    assert len(kept) == 5


class KilledError(Exception):
    pass


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_killed_run_goes_on_with_the_same_losses(sounds, tmp_path, monkeypatch, share):
    options = TINY_RUN | {"discriminator_share": share, "discriminator_channels": 2}
    whole, broken = (CodecRecipe(output_dir=str(tmp_path / n), data=str(sounds), **options) for n in ("a", "b"))
    train_codec(whole)
    step = codec_trainer.CodecTrainer.training_step

    def dying(trainer, *args, **kwargs):
        if trainer.state.global_step == 4:
            raise KilledError
        return step(trainer, *args, **kwargs)

    monkeypatch.setattr(codec_trainer.CodecTrainer, "training_step", dying)
    with pytest.raises(KilledError):
        train_codec(broken)
    monkeypatch.undo()
    assert (tmp_path / "b" / "checkpoint-3").is_dir()
    train_codec(broken)
    assert losses(tmp_path / "b") == losses(tmp_path / "a")
    models = [AutoModel.from_pretrained(tmp_path / name / "model").state_dict() for name in ("a", "b")]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_discriminators_join_at_their_share_and_change_the_rest(sounds, run, tmp_path):
    options = TINY_RUN | {"discriminator_share": 0.5, "discriminator_channels": 2}
    train_codec(CodecRecipe(output_dir=str(tmp_path), data=str(sounds), **options))
    plain, judged = losses(run), losses(tmp_path)
    assert plain[:4] == judged[:4]  # three steps and an evaluation
    assert all(b > a for (_, a), (_, b) in list(zip(plain, judged, strict=True))[4:7])
    state = torch.load(tmp_path / "checkpoint-6" / "discriminators.pt", weights_only=True)
    assert state["optimizer"]["state"][0]["step"] == 3


def test_fitted_codec_is_trained_further_with_its_codes(run, sounds, tmp_path):
    recipe = CodecRecipe(output_dir=str(tmp_path), data=str(sounds), model=str(run / "model"), **TINY_RUN)
    train_codec(recipe)
    before, after = (AutoModel.from_pretrained(folder / "model") for folder in (run, tmp_path))
    assert torch.equal(before.quantizer.codebooks, after.quantizer.codebooks)
    assert not torch.equal(before.decoder.head.weight, after.decoder.head.weight)
    assert not (tmp_path / "fitted").exists()


def test_vocos_over_the_frozen_encodec_of_a_bark_checkpoint(checkpoint, sounds, tmp_path):
    options = TINY_RUN | {"codec_features": "encodec", "model": str(checkpoint)}
    train_codec(CodecRecipe(output_dir=str(tmp_path), data=str(sounds), **options))
    trained = AutoModel.from_pretrained(tmp_path / "model")
    assert isinstance(trained, VocosEncodecModel)
    frozen = tiny_model().codec_model.state_dict()
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in trained.encodec.state_dict().items())
    assert trained(torch.randn(1, 1, 3200) * 0.1).audio_values.shape == (1, 1, 3200)
    trained_steps = [loss for step, loss in losses(tmp_path)]
    assert all(np.isfinite(trained_steps))


def test_recipes_that_make_no_sense_are_refused(checkpoint, run, sounds, tmp_path):
    base = {"output_dir": str(tmp_path), "data": str(sounds)}
    with pytest.raises(ValueError, match="needs a trained EnCodec"):
        CodecRecipe(**base, codec_features="encodec")
    with pytest.raises(ValueError, match="nothing to learn from"):
        CodecRecipe(**base, mel_weight=0, stft_weight=0)
    with pytest.raises(ValueError, match=r"holds a EncodecModel.*give codec_features: encodec"):
        train_codec(CodecRecipe(**base, model=str(checkpoint)))
    with pytest.raises(ValueError, match=r"holds a BarkMelCodecModel.*give codec_features: mel_codec"):
        train_codec(CodecRecipe(**base, codec_features="encodec", model=str(run / "model")))
