"""Semantic tokenizers against computations by hand, brute force and Transformers' own encoders."""

from __future__ import annotations

import itertools
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from tokenizer_fixtures import tiny_hubert, tiny_whisper
from transformers import HubertModel, WhisperFeatureExtractor, WhisperModel

from bark_hf.codec.mel.spectrogram import log_mel
from bark_hf.semantic_tokenizer import (
    FrameNetworkConfig,
    FrameNetworkTokenizer,
    HubertQuantizer,
    HubertQuantizerConfig,
    KMeansConfig,
    KMeansTokenizer,
    load_semantic_tokenizer,
)
from bark_hf.semantic_tokenizer.smoothing import smooth_path
from bark_hf.semantic_tokenizer.speech_encoder import SpeechEncoder
from bark_hf.semantic_tokenizer.waveform import normalise_loudness, prepare_waveform, resample

SMALL = FrameNetworkConfig(vocab_size=12, num_mel_bins=20, hidden_size=16, num_layers=2)


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(n_samples).astype(np.float32)


def frame_network(config: FrameNetworkConfig = SMALL) -> FrameNetworkTokenizer:
    torch.manual_seed(0)
    network = FrameNetworkTokenizer(config).eval()
    network.mel_mean.normal_()
    network.mel_std.uniform_(0.5, 2)
    return network


def kmeans_on_mel() -> KMeansTokenizer:
    torch.manual_seed(0)
    tokenizer = KMeansTokenizer(KMeansConfig(vocab_size=30, feature_size=20, projected_size=6))
    tokenizer.centroids.normal_(0, 3)
    tokenizer.projection.normal_()
    tokenizer.projection_mean.fill_(-5)
    return tokenizer


@pytest.fixture(scope="module")
def hubert(tmp_path_factory):
    return tiny_hubert(tmp_path_factory.mktemp("hubert"))


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return tiny_whisper(tmp_path_factory.mktemp("whisper"))


# Waveforms


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("n_samples", [3_999, 12_345])
def test_resampled_length_is_the_floor(rate, n_samples):
    assert prepare_waveform(noise(n_samples), rate, 24_000).shape == (n_samples * 24_000 // rate,)


def test_resampling_keeps_a_tone():
    time = np.arange(8_000) / 8_000
    wanted = np.sin(2 * np.pi * 500 * np.arange(24_000) / 24_000)
    got = resample(np.sin(2 * np.pi * 500 * time).astype(np.float32), 8_000, 24_000)
    assert np.abs(got - wanted)[1_000:-1_000].max() < 0.01


def test_integer_samples_are_pcm():
    wave = prepare_waveform(np.array([-32_768, 0, 16_384], dtype=np.int16), 16_000, 16_000)
    assert wave.tolist() == [-1.0, 0.0, 0.5]


def test_loudness_is_that_of_the_loud_frames():
    quiet, loud = torch.full((1_600,), 1e-4), torch.full((320,), 0.02)
    result = normalise_loudness(torch.cat([quiet, loud]), 320)
    assert result[-320:].square().mean().sqrt() == pytest.approx(0.1, rel=1e-4)
    assert torch.equal(normalise_loudness(torch.zeros(640), 320), torch.zeros(640))


@pytest.mark.parametrize("gain", [0.01, 0.3, 3.0])
def test_tokens_do_not_depend_on_the_level(gain):
    sound = noise(9_600)
    assert torch.equal(frame_network().encode(sound * gain, 16_000), frame_network().encode(sound, 16_000))


@pytest.mark.parametrize(
    ("audio", "rate", "says"),
    [
        (np.zeros((2, 16_000), np.float32), 16_000, r"shape \[2, 16000\]; mono"),
        (np.array([0.0, np.nan, np.inf], np.float32), 16_000, "2 of 3 samples are NaN"),
        (np.zeros(0, np.float32), 16_000, "0 samples"),
        (np.zeros(100, np.float32), 16_000, "0.0063 s of sound are shorter than one frame of 0.02 s"),
        (np.zeros(16_000, np.float32), 0, "sampling_rate is 0"),
        (np.zeros(16_000, np.float32), 16_000.5, "sampling_rate is 16000.5"),
        (np.zeros(16_000, np.complex64), 16_000, "type complex64"),
    ],
)
def test_bad_sound_is_one_clear_line(audio, rate, says):
    for tokenizer in (frame_network(), kmeans_on_mel()):
        with pytest.raises(ValueError, match=says) as error:
            tokenizer.encode(audio, rate)
        assert "\n" not in str(error.value)


# Smoothing


@pytest.mark.parametrize("penalty", [0.0, 0.3, 1.5, 100.0])
@pytest.mark.parametrize("seed", range(5))
def test_smooth_path_is_the_best_of_all_paths(penalty, seed):
    scores = torch.from_numpy(np.random.default_rng(seed).normal(size=(6, 4))).log_softmax(-1)

    def value(path):
        return sum(scores[t, v].item() for t, v in enumerate(path)) - penalty * sum(
            a != b for a, b in itertools.pairwise(path)
        )

    best = max(itertools.product(range(4), repeat=6), key=value)
    assert tuple(smooth_path(scores, penalty).tolist()) == best


def test_encode_smooths_by_its_setting():
    sound = noise(16_000)
    plain = frame_network().encode(sound, 16_000)
    constant = frame_network(FrameNetworkConfig(**{**vars(SMALL), "switching_penalty": 1e6})).encode(sound, 16_000)
    assert len(plain.unique()) > 1
    assert len(constant.unique()) == 1


# Frame network


@pytest.mark.parametrize("n_samples", [480, 481, 959, 2_400, 24_011])
def test_one_token_per_480_samples_at_24_khz(n_samples):
    tokens = frame_network().encode(noise(n_samples), 24_000)
    assert tokens.shape == (n_samples // 480,)
    assert tokens.dtype == torch.int64
    assert frame_network().rate_hz == 50


def test_silence_and_short_sound_have_their_length():
    for tokenizer in (frame_network(), kmeans_on_mel()):
        assert tokenizer.encode(np.zeros(16_000, np.float32), 16_000).shape == (50,)
        assert tokenizer.encode(noise(1_600), 16_000).shape == (5,)


def test_frame_network_by_hand():
    """One block, computed with plain tensor operations from the state dict."""
    network = frame_network(FrameNetworkConfig(vocab_size=5, num_mel_bins=8, hidden_size=6, num_layers=1))
    state, sound = network.state_dict(), torch.from_numpy(noise(6_400))
    loud = normalise_loudness(sound, 320)
    x = (log_mel(loud, 16_000, 640, 320, 8).T - state["mel_mean"]) / state["mel_std"]  # [20, 8]

    def convolution(rows, weight, bias, groups):
        half = weight.shape[-1] // 2
        padded = torch.cat([torch.zeros(half, rows.shape[1]), rows, torch.zeros(half, rows.shape[1])])
        windows = padded.unfold(0, weight.shape[-1], 1)  # [S, C, K]
        if groups == 1:
            return torch.einsum("sck,ock->so", windows, weight) + bias
        return (windows * weight[:, 0]).sum(-1) + bias

    def norm(rows, name):
        centred = rows - rows.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    x = convolution(x, state["input.weight"], state["input.bias"], 1)
    b = "blocks.0."
    y = norm(convolution(x, state[b + "convolution.weight"], state[b + "convolution.bias"], 6), b + "norm")
    y = y @ state[b + "up.weight"].T + state[b + "up.bias"]
    y = y * 0.5 * (1 + torch.erf(y / 2**0.5))
    x = x + y @ state[b + "down.weight"].T + state[b + "down.bias"]
    logits = norm(x, "norm") @ state["head.weight"].T + state["head.bias"]

    got = network(network.features_of(sound)[None]).logits[0]
    torch.testing.assert_close(got, logits, rtol=1e-4, atol=1e-5)
    assert torch.equal(network.encode(sound, 16_000), logits.argmax(-1))


def test_padding_changes_nothing_in_front_of_it():
    network = frame_network()
    short, long = (network.features_of(torch.from_numpy(noise(n, n))) for n in (3_200, 9_600))
    batch = torch.stack([torch.nn.functional.pad(short, (0, 0, 0, 20), value=7.0), long])
    mask = torch.tensor([[1] * 10 + [0] * 20, [1] * 30])
    logits = network(batch, mask).logits
    torch.testing.assert_close(logits[0, :10], network(short[None]).logits[0])
    torch.testing.assert_close(logits[1], network(long[None]).logits[0])


def test_loss_leaves_out_frames_without_a_label():
    network = frame_network()
    features = network.features_of(torch.from_numpy(noise(1_600)))[None]
    labels = torch.tensor([[3, -100, 5, -100, -100]])
    result = network(features, labels=labels)
    log_probs = result.logits[0].log_softmax(-1)
    assert result.loss.item() == pytest.approx(-(log_probs[0, 3] + log_probs[2, 5]).item() / 2, rel=1e-5)


def test_default_network_fits_a_megabyte(tmp_path):
    network = FrameNetworkTokenizer(FrameNetworkConfig())
    network.save_pretrained(tmp_path, torch.float16)
    assert (tmp_path / "semantic_tokenizer.safetensors").stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("field", "value"), [("vocab_size", 0), ("kernel_size", 4), ("switching_penalty", -1.0), ("num_layers", -1)]
)
def test_impossible_sizes_are_named(field, value):
    with pytest.raises(ValueError, match=f"{field} is {value}"):
        FrameNetworkConfig(**{field: value})


# K-means


def test_nearest_centroid_is_brute_force():
    tokenizer = kmeans_on_mel()
    features = torch.randn(40, 20, generator=torch.Generator().manual_seed(1)) * 4 - 5
    wanted = []
    for row in features.numpy().astype(np.float64):
        projected = (row - tokenizer.projection_mean.numpy()) @ tokenizer.projection.numpy()
        wanted.append(min(range(30), key=lambda k: ((projected - tokenizer.centroids[k].numpy()) ** 2).sum()))
    assert tokenizer.nearest(features).tolist() == wanted
    assert len(set(wanted)) > 3


def test_kmeans_on_log_mel_takes_the_codec_log_mel():
    tokenizer, sound = kmeans_on_mel(), noise(16_000)
    mel = log_mel(normalise_loudness(torch.from_numpy(sound), 320), 16_000, 640, 320, 20).T
    assert torch.equal(tokenizer.encode(sound, 16_000), tokenizer.nearest(mel))


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_hubert_features_are_transformers_hidden_states(hubert, layer):
    sound = noise(12_345)
    encoder = SpeechEncoder(hubert, layer, normalize_input=False)
    with torch.no_grad():
        hidden = (
            HubertModel.from_pretrained(hubert)
            .eval()(torch.from_numpy(sound)[None], output_hidden_states=True)
            .hidden_states[layer][0]
        )
    torch.testing.assert_close(encoder(torch.from_numpy(sound)), hidden)
    assert encoder.n_frames(12_345) == hidden.shape[0]
    assert (encoder.hop_length, encoder.sampling_rate) == (320, 16_000)


def test_hubert_input_is_normalised_when_its_files_say_so(hubert):
    sound = torch.from_numpy(noise(8_000)) + 0.05
    normal = (sound - sound.mean()) / (sound.var(unbiased=False) + 1e-7).sqrt()
    raw, as_files_say = SpeechEncoder(hubert, 1, False), SpeechEncoder(hubert, 1)
    torch.testing.assert_close(as_files_say(sound), raw(normal), rtol=1e-3, atol=1e-4)


def test_whisper_features_go_window_by_window(whisper):
    """5 s through windows of 2 s: each window alone in Transformers, frames of the last one without its padding."""
    sound, encoder = noise(5 * 16_000 + 100), SpeechEncoder(whisper, 1)
    extractor, model = WhisperFeatureExtractor.from_pretrained(whisper), WhisperModel.from_pretrained(whisper).eval()
    parts = []
    for start, frames in ((0, 100), (32_000, 100), (64_000, 50)):
        mel = extractor(sound[start : start + 32_000], sampling_rate=16_000, return_tensors="pt").input_features
        with torch.no_grad():
            parts.append(model.encoder(mel, output_hidden_states=True).hidden_states[1][0, :frames])
    torch.testing.assert_close(encoder(torch.from_numpy(sound)), torch.cat(parts))


@pytest.mark.parametrize("kind", ["hubert", "whisper"])
def test_kmeans_rate_and_length_are_the_encoder_s(kind, request):
    tokenizer = KMeansTokenizer.for_encoder(request.getfixturevalue(kind), 1, 10)
    tokenizer = tokenizer.fitted(torch.randn(10, 16))
    assert tokenizer.rate_hz == 50
    tokens = tokenizer.encode(noise(24_000), 24_000)
    assert tokens.shape == ((16_000 - 400) // 320 + 1 if kind == "hubert" else 50,)


def test_encoder_errors_name_the_limit(hubert, tmp_path):
    with pytest.raises(ValueError, match=r"layer=3, but .* has 2 layers; choose 0\.\.2"):
        SpeechEncoder(hubert, 3)
    with pytest.raises(ValueError, match=r"0\.019 s of sound are shorter than one frame"):
        SpeechEncoder(hubert, 1)(torch.zeros(300))


# HuBERT quantizer


def community_state(version: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(version)
    sizes = {"lstm.weight_ih_l0": (32, 16), "lstm.weight_hh_l0": (32, 8), "lstm.bias_ih_l0": (32,)}
    sizes |= {"lstm.bias_hh_l0": (32,), "lstm.weight_ih_l1": (32, 8), "lstm.weight_hh_l1": (32, 8)}
    sizes |= {"lstm.bias_ih_l1": (32,), "lstm.bias_hh_l1": (32,)}
    if version == 1:
        sizes |= {"intermediate.weight": (12, 8), "intermediate.bias": (12,)}
    sizes |= {"fc.weight": (50, 12 if version else 8), "fc.bias": (50,)}
    return {name: torch.randn(shape) for name, shape in sizes.items()}


def community_file(path, version: int, note: dict | None = None) -> None:
    """A file as the community's code writes it: `torch.save`, then a note appended to the archive."""
    torch.save(community_state(version), path)
    if note is not None:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{path.stem}/.info", json.dumps(note))


def lstm_by_hand(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Two LSTM layers over [S, F], gate by gate (Hochreiter and Schmidhuber, in PyTorch's order i, f, g, o)."""
    for layer in (0, 1):
        hidden, cell, rows = torch.zeros(8), torch.zeros(8), []
        for frame in x:
            gates = state[f"lstm.weight_ih_l{layer}"] @ frame + state[f"lstm.bias_ih_l{layer}"]
            gates = gates + state[f"lstm.weight_hh_l{layer}"] @ hidden + state[f"lstm.bias_hh_l{layer}"]
            i, f, g, o = gates.view(4, 8)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            rows.append(hidden)
        x = torch.stack(rows)
    return x


@pytest.mark.parametrize(("version", "with_note"), [(0, False), (0, True), (1, True)])
def test_community_file_gives_the_tokens_computed_by_hand(tmp_path, hubert, version, with_note):
    path, sound = tmp_path / "quantifier.pth", noise(16_000)
    note = {"input_size": 16, "hidden_size": 8, "output_size": 50, "version": version}
    community_file(path, version, note if with_note else None)
    quantizer = load_semantic_tokenizer(path)
    quantizer = HubertQuantizer(HubertQuantizerConfig(**{**vars(quantizer.config), "encoder": str(hubert), "layer": 2}))
    quantizer.load_state_dict(community_state(version))

    with torch.no_grad():
        model = HubertModel.from_pretrained(hubert).eval()
        features = model(torch.from_numpy(sound)[None], output_hidden_states=True).hidden_states[2][0]
    state = community_state(version)
    hidden = lstm_by_hand(state, features)
    if version == 1:
        hidden = hidden @ state["intermediate.weight"].T + state["intermediate.bias"]
    wanted = (hidden @ state["fc.weight"].T + state["fc.bias"]).argmax(-1)

    assert torch.equal(quantizer.encode(sound, 16_000), wanted)
    assert len(wanted) == 49
    assert len(wanted.unique()) > 1
    folder = quantizer.save_pretrained(tmp_path / "saved")
    assert torch.equal(load_semantic_tokenizer(folder).encode(sound, 16_000), wanted)


def test_community_file_loads_its_tensors(tmp_path):
    community_file(tmp_path / "q.pth", 1)
    quantizer = load_semantic_tokenizer(tmp_path / "q.pth")
    for name, tensor in community_state(1).items():
        assert torch.equal(quantizer.state_dict()[name], tensor)
    assert (quantizer.config.layer, quantizer.rate_hz, quantizer.vocab_size) == (9, 49.9, 50)


class Evil:
    def __reduce__(self):
        return (open, ("evil-was-here", "w"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"fc.weight": torch.zeros(2, 2)}, "lacks lstm.weight_ih_l0"),
        ({"a": Evil()}, "holds Python objects besides tensors; nothing in it was run"),
        ([1, 2], "no dictionary of tensors"),
        (b"garbage", "can't be read as a torch file"),
    ],
)
def test_other_files_are_refused_and_not_run(tmp_path, monkeypatch, content, says):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "q.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ValueError, match=says) as error:
        load_semantic_tokenizer(path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "evil-was-here").exists()


def test_a_note_that_contradicts_the_tensors_is_refused(tmp_path):
    community_file(tmp_path / "q.pth", 0, {"input_size": 16, "hidden_size": 9, "output_size": 50, "version": 0})
    with pytest.raises(ValueError, match=r"version \[16, 9, 50, 0\], but its tensors have \[16, 8, 50, 0\]"):
        load_semantic_tokenizer(tmp_path / "q.pth")


def test_quantizer_refuses_an_encoder_of_another_size(tmp_path, hubert):
    quantizer = HubertQuantizer(HubertQuantizerConfig(encoder=str(hubert), layer=1, hidden_size=4, vocab_size=5))
    with pytest.raises(ValueError, match=r"has 16 features at 16000 Hz, but the quantizer takes 768"):
        quantizer.encode(noise(16_000), 16_000)


# Folders


@pytest.mark.parametrize("make", [frame_network, kmeans_on_mel])
@pytest.mark.parametrize("inside", ["", "semantic_tokenizer"])
def test_save_and_load_are_equal(tmp_path, make, inside):
    tokenizer, sound = make(), noise(30_000)
    tokenizer.save_pretrained(tmp_path / inside)
    loaded = load_semantic_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer)
    assert loaded.config == tokenizer.config
    assert torch.equal(loaded.encode(sound, 22_050), tokenizer.encode(sound, 22_050))
    settings = json.loads((tmp_path / inside / "semantic_tokenizer_config.json").read_text())
    assert settings["tokenizer_type"] == tokenizer.tokenizer_type
    assert settings["rate_hz"] == 50


def test_half_precision_file_loads_as_float32(tmp_path):
    network = frame_network()
    network.save_pretrained(tmp_path, torch.float16)
    loaded = load_semantic_tokenizer(tmp_path)
    assert torch.equal(loaded.head.weight, network.head.weight.half().float())


def test_encoder_goes_along_in_the_folder(tmp_path, hubert):
    tokenizer = KMeansTokenizer.for_encoder(hubert, 1, 10).fitted(torch.randn(10, 16))
    tokenizer.save_pretrained(tmp_path, with_encoder=True)
    settings = json.loads((tmp_path / "semantic_tokenizer_config.json").read_text())
    (tmp_path / "semantic_tokenizer_config.json").write_text(json.dumps(settings | {"encoder": "/nowhere"}))
    sound = noise(16_000)
    assert torch.equal(load_semantic_tokenizer(tmp_path).encode(sound, 16_000), tokenizer.encode(sound, 16_000))


def test_result_needs_no_gradient_and_keeps_the_mode():
    network = frame_network().train()
    tokens = network.encode(noise(1_600), 16_000)
    assert network.training
    assert not tokens.is_inference()


def break_settings(folder, **changes):
    path = folder / "semantic_tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_broken_folders_are_one_clear_line(tmp_path):
    def refused(says):
        with pytest.raises(ValueError, match=says) as error:
            load_semantic_tokenizer(tmp_path)
        assert "\n" not in str(error.value)

    refused("has neither semantic_tokenizer_config.json nor")
    frame_network().save_pretrained(tmp_path)
    break_settings(tmp_path, tokenizer_type="magic")
    refused("tokenizer_type is 'magic'; it must be one of frame_network, kmeans, hubert_quantizer")
    break_settings(tmp_path, tokenizer_type="frame_network", kernel=3)
    refused("unknown settings kernel")
    frame_network().save_pretrained(tmp_path)
    break_settings(tmp_path, hidden_size=8)
    refused(r"doesn't fit .* has shape")
    frame_network().save_pretrained(tmp_path)
    (tmp_path / "semantic_tokenizer.safetensors").write_bytes(pickle.dumps(Evil()))
    refused("is not a safetensors file")
    (tmp_path / "semantic_tokenizer.safetensors").unlink()
    refused("is missing")
    (tmp_path / "semantic_tokenizer_config.json").write_text("{")
    refused("is not valid JSON")
