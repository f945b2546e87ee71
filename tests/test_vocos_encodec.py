"""Vocos over EnCodec's codes: the public layout against a computation written out here, and in a Bark model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from scipy.special import erf
from tiny import tiny_model
from transformers import AutoModel, EncodecConfig, EncodecModel

from bark_hf import BarkModel
from bark_hf.codec.vocos_encodec import VocosEncodecConfig, VocosEncodecModel, use_vocos
from bark_hf.codec.vocos_files import our_name, read_public_vocos

HIDDEN, LAYERS, INNER, BANDWIDTHS = 12, 2, 20, [1.5, 3.0, 6.0]
CONFIG = {
    "feature_extractor": {
        "class_path": "vocos.feature_extractors.EncodecFeatures",
        "init_args": {"encodec_model": "encodec_24khz", "bandwidths": BANDWIDTHS},
    },
    "backbone": {
        "class_path": "vocos.models.VocosBackbone",
        "init_args": {
            "input_channels": 16,
            "dim": HIDDEN,
            "intermediate_dim": INNER,
            "num_layers": LAYERS,
            "adanorm_num_embeddings": len(BANDWIDTHS),
        },
    },
    "head": {
        "class_path": "vocos.heads.ISTFTHead",
        "init_args": {"dim": HIDDEN, "n_fft": 1280, "hop_length": 320, "padding": "same"},
    },
}


def tiny_encodec() -> EncodecModel:
    """24 kHz, 320 samples per frame, books of 1,024 vectors of width 16."""
    config = EncodecConfig(
        num_filters=4, hidden_size=16, num_lstm_layers=1, target_bandwidths=BANDWIDTHS, kernel_size=5,
        last_kernel_size=5,
    )  # fmt: skip
    model = EncodecModel(config).eval()
    for name, buffer in model.named_buffers():
        if name.endswith(("embed", "embed_avg")):
            buffer.normal_()
    return model


def public_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights under the public names."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 0.3) -> torch.Tensor:
        return torch.randn(shape, generator=draw) * scale

    state = {
        "feature_extractor.codebook_weights": normal(8 * 1024, 16, scale=1.0),
        "backbone.embed.weight": normal(HIDDEN, 16, 7),
        "backbone.embed.bias": normal(HIDDEN),
        "backbone.norm.scale.weight": normal(3, HIDDEN) + 1,
        "backbone.norm.shift.weight": normal(3, HIDDEN),
        "backbone.final_layer_norm.weight": normal(HIDDEN) + 1,
        "backbone.final_layer_norm.bias": normal(HIDDEN),
        "head.out.weight": normal(1282, HIDDEN),
        "head.out.bias": normal(1282),
        "head.istft.window": torch.hann_window(1280),
    }
    for n in range(LAYERS):
        block = f"backbone.convnext.{n}."
        state |= {
            block + "gamma": normal(HIDDEN),
            block + "dwconv.weight": normal(HIDDEN, 1, 7),
            block + "dwconv.bias": normal(HIDDEN),
            block + "norm.scale.weight": normal(3, HIDDEN) + 1,
            block + "norm.shift.weight": normal(3, HIDDEN),
            block + "pwconv1.weight": normal(INNER, HIDDEN),
            block + "pwconv1.bias": normal(INNER),
            block + "pwconv2.weight": normal(HIDDEN, INNER),
            block + "pwconv2.bias": normal(HIDDEN),
        }
    return state


@pytest.fixture
def folder(tmp_path):
    """A folder in the public layout; books of the tiny EnCodec have width 16 instead of 128."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    torch.save(public_state(), tmp_path / "pytorch_model.bin")
    return tmp_path


def by_hand(codes: np.ndarray, bandwidth_id: int) -> np.ndarray:
    """What Vocos computes for codes [K, T], step by step in float64."""
    state = {name: tensor.double().numpy() for name, tensor in public_state().items()}

    def convolved(frames, weight, bias):  # [T, in], [out, in, 7]
        padded = np.pad(frames, ((3, 3), (0, 0)))
        windows = np.stack([padded[j : j + len(frames)] for j in range(7)])  # [7, T, in]
        return np.einsum("jti,oij->to", windows, weight) + bias

    def normed(frames, scale, shift):
        centred = frames - frames.mean(1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-6) * scale + shift

    table = state["feature_extractor.codebook_weights"]
    frames = sum(table[k * 1024 + codes[k]] for k in range(len(codes)))
    frames = convolved(frames, state["backbone.embed.weight"], state["backbone.embed.bias"])
    norm = [state[f"backbone.norm.{part}.weight"][bandwidth_id] for part in ("scale", "shift")]
    frames = normed(frames, *norm)
    for n in range(LAYERS):
        part = {key.split(f"convnext.{n}.")[1]: v for key, v in state.items() if f"convnext.{n}." in key}
        depthwise = np.zeros((HIDDEN, HIDDEN, 7))
        depthwise[np.arange(HIDDEN), np.arange(HIDDEN)] = part["dwconv.weight"][:, 0]
        inner = convolved(frames, depthwise, part["dwconv.bias"])
        inner = normed(inner, part["norm.scale.weight"][bandwidth_id], part["norm.shift.weight"][bandwidth_id])
        inner = inner @ part["pwconv1.weight"].T + part["pwconv1.bias"]
        inner = inner * 0.5 * (1 + erf(inner / np.sqrt(2)))
        frames = frames + part["gamma"] * (inner @ part["pwconv2.weight"].T + part["pwconv2.bias"])
    frames = normed(frames, state["backbone.final_layer_norm.weight"], state["backbone.final_layer_norm.bias"])
    head = frames @ state["head.out.weight"].T + state["head.out.bias"]
    spectra = np.minimum(np.exp(head[:, :641]), 100) * np.exp(1j * head[:, 641:])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1280) / 1280)
    sound, envelope = np.zeros(1280 + 320 * (len(frames) - 1)), np.zeros(1280 + 320 * (len(frames) - 1))
    for t, spectrum in enumerate(spectra):
        sound[320 * t : 320 * t + 1280] += np.fft.irfft(spectrum, 1280) * window
        envelope[320 * t : 320 * t + 1280] += window**2
    return (sound / np.maximum(envelope, 1e-12))[480:-480]


@pytest.mark.parametrize(("books", "bandwidth_id"), [(2, 0), (3, 1), (4, 1), (8, 2)])
def test_public_layout_computes_vocos(folder, books, bandwidth_id):
    model = read_public_vocos(folder, tiny_encodec())
    codes = torch.randint(0, 1024, (books, 13), generator=torch.Generator().manual_seed(1))
    found = model.decode(codes[None, None], [None]).audio_values
    assert found.shape == (1, 1, 13 * 320)
    np.testing.assert_allclose(found[0, 0].detach().numpy(), by_hand(codes.numpy(), bandwidth_id), atol=2e-5)


def test_every_public_name_has_a_place():
    assert our_name("backbone.convnext.11.norm.shift.weight") == "decoder.blocks.11.norm.shift"
    assert our_name("backbone.convnext.0.pwconv2.bias") == "decoder.blocks.0.project.bias"
    assert our_name("feature_extractor.encodec.encoder.model.0.conv.conv.bias") is None
    with pytest.raises(ValueError, match=r"'backbone.convnext.x.gamma' is not of the Vocos layout"):
        our_name("backbone.convnext.x.gamma")


def test_use_vocos_in_a_bark_model(folder, tmp_path):
    model = tiny_model()
    model.codec_model = tiny_encodec()
    model.config.codec_config = model.codec_model.config
    ids, options = torch.arange(5)[None] + 1, {"max_new_tokens": 4, "min_eos_p": None, "seed": 1}
    before = model.generate(ids, return_dict_in_generate=True, **options)
    assert use_vocos(model, folder) is model
    after = model.generate(ids, return_dict_in_generate=True, **options)
    assert torch.equal(before.fine_codes, after.fine_codes)
    codes = after.fine_codes[0].numpy()
    np.testing.assert_allclose(after.audio[0].numpy(), by_hand(codes, 2), atol=2e-5)
    model.save_pretrained(tmp_path / "bark")
    loaded = BarkModel.from_pretrained(tmp_path / "bark")
    assert isinstance(loaded.codec_model, VocosEncodecModel)
    assert torch.equal(loaded.generate(ids, **options), after.audio)


def test_own_folder_and_public_folder_decode_alike(folder, tmp_path):
    encodec = tiny_encodec()
    public = read_public_vocos(folder, encodec)
    public.save_pretrained(tmp_path / "own")
    assert isinstance(AutoModel.from_pretrained(tmp_path / "own"), VocosEncodecModel)
    model = tiny_model()
    model.codec_model = encodec
    model.config.codec_config = encodec.config
    codec = use_vocos(model, tmp_path / "own").codec_model
    codes = torch.randint(0, 1024, (1, 2, 8, 7))
    assert torch.equal(codec.decode(codes).audio_values, public.decode(codes).audio_values)
    audio = torch.randn(1, 1, 3200) * 0.1
    assert torch.equal(codec.encode(audio).audio_codes, encodec.encode(audio, bandwidth=6.0).audio_codes)


def test_fresh_decoder_sums_encodecs_vectors():
    encodec = tiny_encodec()
    model = VocosEncodecModel.over(encodec, decoder_hidden_size=8, decoder_num_layers=1, decoder_intermediate_size=8)
    codes = encodec.encode(torch.randn(1, 1, 1600) * 0.1, bandwidth=6.0).audio_codes
    features = []
    model.decoder.register_forward_pre_hook(lambda module, args: features.append(args[0]))
    model.decode(codes)
    torch.testing.assert_close(features[0], encodec.quantizer.decode(codes[0].transpose(0, 1)))
    assert model.config.bandwidths == [6.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, s: c["head"].update(class_path="vocos.heads.IMDCTSymExpHead"), "only the decoder over EnCodec"),
        (lambda c, s: c["feature_extractor"].update(class_path="x.MelSpectrogramFeatures"), "only the decoder"),
        (lambda c, s: c.pop("backbone"), "isn't a Vocos config"),
        (lambda c, s: c["backbone"]["init_args"].pop("dim"), "lacks 'dim'"),
        (lambda c, s: c["backbone"]["init_args"].update(num_layers=3), r"missing \['decoder.blocks.2"),
        (lambda c, s: c["backbone"]["init_args"].update(adanorm_num_embeddings=4), "4 and 3 bandwidths"),
        (lambda c, s: c["backbone"]["init_args"].update(dim=10), r"has shape \(12, 16, 7\)"),
        (lambda c, s: s.pop("backbone.embed.bias"), r"missing \['decoder.embed.bias'\]"),
        (lambda c, s: s.update(extra=torch.zeros(1)), "'extra' is not of the Vocos layout"),
        (lambda c, s: s.update({"feature_extractor.codebook_weights": torch.zeros(9, 16)}), "8192 rows"),
        (lambda c, s: s.update({"head.out.bias": print}), "plain weights"),
    ],
)
def test_public_layout_refuses(tmp_path, change, message):
    import copy

    config, state = copy.deepcopy(CONFIG), dict(public_state())
    change(config, state)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=message):
        read_public_vocos(tmp_path, tiny_encodec())


def test_use_vocos_refuses(folder, tmp_path):
    model = tiny_model()
    with pytest.raises(FileNotFoundError, match="neither config"):
        use_vocos(model, tmp_path / "nothing")
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(FileNotFoundError, match="has no pytorch_model"):
        use_vocos(model, folder)
    model.codec_model = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="codec is a Linear"):
        use_vocos(model, folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bandwidths": [6.0, 3.0]}, "must rise"),
        ({"bandwidths": [6.0, 7.0]}, "among EnCodec's"),
        ({"bandwidth": 2.0}, "bandwidth=2.0 must be one of"),
        ({"n_fft": 1000}, "multiple of EnCodec's hop"),
        ({"decoder_num_layers": 0}, "decoder_num_layers=0"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(Exception, match=message):
        VocosEncodecConfig(**fields)
