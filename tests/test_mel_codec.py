"""The log-mel codec against librosa, brute force and `torch.istft`; and as the codec of a Bark model."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tiny import TINY
from transformers import AutoModel, EncodecModel

from bark_hf import BarkConfig, BarkModel
from bark_hf.codec.mel import BarkMelCodecConfig, BarkMelCodecModel
from bark_hf.codec.mel.fitting import fit_quantizer
from bark_hf.codec.mel.spectrogram import log_mel, mel_filterbank
from bark_hf.codec.vocos import inverse_stft

SIZES = {
    "n_components": 8,
    "num_quantizers": 4,
    "codebook_size": 16,
    "decoder_hidden_size": 16,
    "decoder_num_layers": 2,
    "decoder_intermediate_size": 24,
}


def tones(seed: int, seconds: float = 1.0, rate: int = 24_000) -> np.ndarray:
    """Gliding harmonics with some noise: spectra that differ from frame to frame."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * (rng.uniform(80, 300) * time + rng.uniform(-60, 60) * time**2)
    sound = sum(rng.uniform(0, 0.3) * np.sin(n * phase) for n in range(1, 9)) + rng.normal(0, 0.01, time.size)
    return (0.3 * sound * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(1, 4) * time))).astype(np.float32)


@pytest.fixture(scope="module")
def codec():
    """A fitted tiny codec; tests must not change it."""
    torch.manual_seed(0)
    model = BarkMelCodecModel(BarkMelCodecConfig(**SIZES)).eval()
    fit_quantizer(model, (tones(seed) for seed in range(24)), max_frames=1500)
    return model


def test_filterbank_is_librosas():
    import librosa

    for rate, n_fft, bins in ((24_000, 1280, 100), (16_000, 400, 40)):
        expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bins, norm=None)
        np.testing.assert_allclose(mel_filterbank(rate, n_fft, bins), expected, atol=1e-6)


def test_log_mel_is_librosas():
    import librosa

    audio = tones(1, 0.7)[:16_700]  # not a whole number of frames
    magnitude = np.abs(librosa.stft(audio, n_fft=1280, hop_length=320, window="hann", pad_mode="reflect")) / 320
    expected = np.log(np.maximum(librosa.filters.mel(sr=24_000, n_fft=1280, n_mels=100, norm=None) @ magnitude, 1e-5))
    found = log_mel(torch.from_numpy(audio))
    assert found.shape == (100, 16_700 // 320)
    np.testing.assert_allclose(found.numpy(), expected[:, : 16_700 // 320], atol=2e-3)


@pytest.mark.parametrize("samples", [0, 1, 319, 320, 640, 641, 1000])
def test_short_clips_have_whole_frames(samples):
    found = log_mel(torch.full((2, samples), 0.1))
    assert found.shape == (2, 100, samples // 320)
    assert found.isfinite().all()


def test_full_scale_sine_is_near_zero_and_silence_at_the_floor():
    time = torch.arange(24_000) / 24_000
    bank = mel_filterbank(24_000, 1280, 100)
    peak_bin = int(bank[30].argmax())
    sine = log_mel(torch.sin(2 * np.pi * peak_bin * 24_000 / 1280 * time))[30, 10:60]
    assert (sine > np.log(bank[30].max())).all()
    assert (sine < 0.7).all()
    assert torch.equal(log_mel(torch.zeros(3200)), torch.full((100, 10), 1e-5).log())


def test_encode_is_nearest_neighbour_search(codec):
    audio = tones(99, 0.5)
    codes = codec.encode(torch.from_numpy(audio)[None, None]).audio_codes
    assert codes.shape == (1, 1, 4, 37)
    assert codes.dtype == torch.int64
    buffers = {name: buffer.double().numpy() for name, buffer in codec.quantizer.named_buffers()}
    frames = (codec.log_mel(torch.from_numpy(audio)).T.double().numpy() - buffers["mean"]) / buffers["scale"]
    residual = frames @ buffers["components"].T
    for k in range(4):
        distances = ((residual[:, None] - buffers["codebooks"][k][None]) ** 2).sum(-1)
        assert np.array_equal(codes[0, 0, k].numpy(), distances.argmin(1))
        residual = residual - buffers["codebooks"][k][codes[0, 0, k].numpy()]


def test_more_books_come_nearer(codec):
    mel = codec.log_mel(torch.from_numpy(tones(77)))[None]
    codes = codec.quantizer.encode(mel)
    errors = [float((codec.quantizer.decode(codes[:, :k]) - mel).abs().mean()) for k in range(1, 5)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.7 * errors[0]


def test_fit_reports_what_it_reconstructs():
    model = BarkMelCodecModel(BarkMelCodecConfig(**SIZES))
    fit = fit_quantizer(model, (tones(seed) for seed in range(22)), max_frames=900, seed=3)
    assert (fit.clips, fit.frames, len(fit.mel_l1)) == (22, 900, 4)
    held_out = torch.cat([model.log_mel(torch.from_numpy(tones(seed))) for seed in (1, 21)], dim=1)  # clips 2 and 22
    assert int(model.quantizer.fitted_frames) == 900
    # 45 of the 150 held-out frames were drawn, so the mean over all of them is near, not equal
    codes = model.quantizer.encode(held_out[None])
    error = float((model.quantizer.decode(codes)[0] - held_out).abs().mean())
    assert fit.mel_l1[-1] == pytest.approx(error, rel=0.3)
    again = BarkMelCodecModel(BarkMelCodecConfig(**SIZES))
    fit_quantizer(again, (tones(seed) for seed in range(22)), max_frames=900, seed=3)
    assert torch.equal(model.quantizer.codebooks, again.quantizer.codebooks)


def test_principal_axes_keep_what_varies():
    model = BarkMelCodecModel(BarkMelCodecConfig(**SIZES | {"n_components": 100}))
    fit_quantizer(model, (tones(seed) for seed in range(3)))
    axes = model.quantizer.components
    torch.testing.assert_close(axes @ axes.T, torch.eye(100), atol=1e-4, rtol=0)
    frames = torch.cat([model.log_mel(torch.from_numpy(tones(seed))) for seed in (0, 2)], dim=1)
    variances = model.quantizer.project(frames[None])[0].var(0)
    assert (variances.diff() < 1e-4).all()  # falling
    assert float(model.quantizer.project(frames[None]).square().mean()) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(("n_fft", "hop"), [(1280, 320), (64, 16), (32, 16)])
def test_inverse_stft_is_torchs(n_fft, hop):
    torch.manual_seed(1)
    spectrum = torch.randn(2, n_fft // 2 + 1, 9, dtype=torch.complex64)
    spectrum.imag[:, [0, -1]] = 0.0
    found = inverse_stft(spectrum, n_fft, hop)
    assert found.shape == (2, 9 * hop)
    window = torch.hann_window(n_fft)
    centred = torch.istft(spectrum, n_fft, hop, window=window, center=True)  # its first sample is frame 0's centre
    torch.testing.assert_close(found[:, hop // 2 : hop // 2 + centred.shape[1]], centred, atol=1e-5, rtol=1e-4)


def test_inverse_stft_undoes_stft():
    audio = torch.from_numpy(tones(5, 0.4))[None, : 29 * 320]
    padded = torch.nn.functional.pad(audio, (480, 480))  # frame t is centred on the middle of hop t
    window = torch.hann_window(1280)
    spectrum = torch.stft(padded, 1280, 320, window=window, center=False, return_complex=True)
    torch.testing.assert_close(inverse_stft(spectrum, 1280, 320), audio, atol=1e-5, rtol=0)


def test_decode_is_exact_in_length_and_alone_equals_batched(codec):
    codes = torch.randint(0, 16, (1, 3, 4, 11))
    together = codec.decode(codes, [None], return_dict=True).audio_values
    assert together.shape == (3, 1, 11 * 320)
    assert together.dtype == torch.float32
    for item in range(3):
        alone = codec.decode(codes[:, item : item + 1], [None]).audio_values[0]
        torch.testing.assert_close(together[item], alone, atol=1e-5, rtol=0)
    assert torch.equal(together, codec.decode(codes, [None]).audio_values)
    assert codec.decode(codes[:, :, :2], [None]).audio_values.shape == (3, 1, 3520)


def test_gradients_reach_the_decoder_and_nothing_else(codec):
    codec.zero_grad()
    codec(torch.from_numpy(tones(4, 0.2))[None, None]).audio_values.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in codec.decoder.parameters())
    assert not any(buffer.requires_grad for buffer in codec.quantizer.buffers())
    codec.zero_grad()


def test_autocast_changes_no_code(codec):
    audio = torch.from_numpy(tones(8, 2.0))[None, None]
    with torch.autocast("cpu", torch.bfloat16):
        found = codec.encode(audio).audio_codes
    assert torch.equal(found, codec.encode(audio).audio_codes)


def test_save_and_load(codec, tmp_path):
    codec.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert isinstance(loaded, BarkMelCodecModel)
    audio = torch.from_numpy(tones(6))[None, None]
    for one, other in zip(codec(audio).to_tuple(), loaded(audio).to_tuple(), strict=True):
        assert torch.equal(one, other)


def test_half_precision_file_loads_as_float32(codec, tmp_path):
    half = BarkMelCodecModel(codec.config).half()
    half.load_state_dict(codec.state_dict())
    half.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"dtype": "float32"}))
    loaded = BarkMelCodecModel.from_pretrained(tmp_path)
    floats = {t.dtype for t in loaded.state_dict().values() if t.is_floating_point()}
    assert floats == {torch.float32}
    torch.testing.assert_close(loaded.quantizer.codebooks, codec.quantizer.codebooks, atol=2e-3, rtol=2e-3)
    audio = torch.from_numpy(tones(6))[None, None]
    assert loaded(audio).audio_values.dtype == half(audio).audio_values.dtype == torch.float32


def test_codec_of_a_bark_model(codec, tmp_path):
    torch.manual_seed(0)
    codec_config = BarkMelCodecConfig(**SIZES | {"num_quantizers": 8, "codebook_size": 1024})
    config = BarkConfig(
        semantic_config=dict(TINY),
        coarse_acoustics_config=dict(TINY),
        fine_acoustics_config=dict(TINY),
        codec_config=codec_config.to_dict(),
    )
    model = BarkModel(config).eval()
    assert isinstance(model.codec_model, BarkMelCodecModel)
    assert model.config.sampling_rate == 24_000
    model.codec_model.quantizer.codebooks.normal_()
    model.codec_model.quantizer.components.normal_()
    model.codec_model.quantizer.fitted_frames.fill_(1)
    model.save_pretrained(tmp_path)
    loaded = BarkModel.from_pretrained(tmp_path)
    options = {"max_new_tokens": 4, "min_eos_p": None, "seed": 1, "return_output_lengths": True}
    ids = torch.arange(5)[None] + 1
    (audio, lengths), (again, _) = model.generate(ids, **options), loaded.generate(ids, **options)
    assert lengths[0] % 320 == 0
    assert lengths[0] > 0
    assert torch.equal(audio, again)
    assert audio.abs().max() > 0


def test_unfitted_codec_says_so():
    model = BarkMelCodecModel(BarkMelCodecConfig(**SIZES))
    for call in (lambda: model.encode(torch.zeros(1, 1, 640)), lambda: model.decode(torch.zeros(1, 1, 4, 2).long())):
        with pytest.raises(ValueError, match="fit_quantizer"):
            call()


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (torch.zeros(640), r"\[batch, 1, samples\].*\(640,\)"),
        (torch.zeros(1, 2, 640), "stereo"),
        (torch.zeros(1, 1, 640).int(), "int32"),
        (torch.full((1, 1, 640), torch.nan), "640 of 640 samples are NaN"),
    ],
)
def test_encode_refuses(codec, audio, message):
    with pytest.raises(ValueError, match=message):
        codec.encode(audio)


def test_padding_is_refused_and_silence_is_not(codec):
    with pytest.raises(ValueError, match="one by one"):
        codec.encode(torch.zeros(1, 1, 640), padding_mask=torch.tensor([[1] * 600 + [0] * 40]))
    assert codec.encode(torch.zeros(1, 1, 640)).audio_codes.shape == (1, 1, 4, 2)
    assert codec.encode(torch.zeros(1, 1, 100)).audio_codes.shape == (1, 1, 4, 0)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.zeros(4, 5).long(), r"\[1, batch, books, frames\]"),
        (torch.zeros(1, 1, 4, 5), "float32"),
        (torch.zeros(1, 1, 5, 5).long(), r"5 books; this codec decodes 1\.\.4"),
        (torch.full((1, 1, 4, 5), 16), r"16\.\.16; allowed are 0\.\.15"),
        (torch.full((1, 1, 4, 5), -1), "-1"),
    ],
)
def test_decode_refuses(codec, codes, message):
    with pytest.raises(ValueError, match=message):
        codec.decode(codes)


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ([np.zeros((2, 640), np.float32)], r"clip 1 has shape \(2, 640\)"),
        ([tones(0), np.full(640, np.inf, np.float32)], "clip 2 has NaN or infinite"),
        ([tones(0, 0.1)], "7 frames for codebook_size=16"),
        ([np.zeros(24_000, np.float32)], "silent"),
        ([], "0 clips"),
    ],
)
def test_fit_refuses(clips, message):
    with pytest.raises(ValueError, match=message):
        fit_quantizer(BarkMelCodecModel(BarkMelCodecConfig(**SIZES)), clips)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hop_length": 0}, "hop_length=0"),
        ({"n_fft": 1000}, "multiple of hop_length=320: take 1280"),
        ({"n_components": 101}, "exceeds num_mel_bins=100"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(Exception, match=message):
        BarkMelCodecConfig(**fields)


def test_same_calls_as_encodec():
    import inspect

    for name in ("encode", "decode"):
        theirs = set(inspect.signature(getattr(EncodecModel, name)).parameters) - {"bandwidth"}
        assert theirs <= set(inspect.signature(getattr(BarkMelCodecModel, name)).parameters)
