"""Detectors: features and scores against sums by hand, the stored classifier against scikit-learn's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tokenizer_fixtures import tiny_hubert
from typer.testing import CliRunner
from voice_recordings import recording

from bark_hf.cli import app
from bark_hf.cli import detect as command
from bark_hf.codec.mel.spectrogram import log_mel
from bark_hf.detection import BarkDetector, FeatureConfig, evaluate, plot_evaluation, train_detector, training
from bark_hf.detection.features import Features
from bark_hf.semantic_tokenizer.speech_encoder import SpeechEncoder

RATE = 16_000


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def speech(seed, hum=0.0):
    rng = np.random.default_rng(seed)
    sound = recording([0.1, 0.8, 0.1], RATE, noise=2e-3, pitch=rng.uniform(100, 220), seed=seed)
    time = np.arange(sound.shape[0]) / RATE
    return (rng.uniform(0.3, 1.0) * (sound + hum * np.sin(2 * np.pi * 5_000 * time))).astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """16 recordings of each kind under the same names; the generated ones whistle faintly at 5 kHz."""
    root = tmp_path_factory.mktemp("speech")
    for kind, hum in (("real", 0.0), ("generated", 0.01)):
        (root / kind).mkdir()
        for number in range(16):
            sound = speech(number + 100 * (kind == "real"), hum)
            soundfile.write(root / kind / f"{number:02}.wav", sound, RATE)
    return root / "real", root / "generated"


# features


def prepared_by_hand(sound):
    """The 0.8 s and 0.05 s beside it at both ends, at -23 dB."""
    sound = sound[round(0.05 * RATE) : round(0.95 * RATE)].astype(np.float64)
    return (sound * 10 ** (-23 / 20) / np.sqrt(np.mean(sound**2))).astype(np.float32)


def test_mel_features_are_mean_and_deviation_over_time():
    sound = recording([0.1, 0.8, 0.1], RATE, noise=1e-5)
    frames = log_mel(torch.from_numpy(prepared_by_hand(sound)), RATE, 1_024, 256, 80).double().numpy()  # [80, T]
    expected = np.concatenate([frames.mean(axis=1), frames.std(axis=1)])
    np.testing.assert_allclose(Features(FeatureConfig())(sound, RATE), expected, rtol=1e-3, atol=1e-3)


def test_loudness_and_silence_at_the_ends_do_not_count():
    """Else a detector would learn how files were cut and levelled."""
    features, sound = Features(FeatureConfig()), recording([0.1, 0.8, 0.1], RATE, noise=1e-5)
    silence = np.zeros(RATE, dtype=np.float32)
    other = 0.2 * np.concatenate([silence, sound, silence])
    np.testing.assert_allclose(features(other, RATE), features(sound, RATE), rtol=1e-3, atol=2e-2)


def test_long_recordings_go_through_in_equal_chunks(monkeypatch):
    monkeypatch.setattr("bark_hf.detection.features._CHUNK_SECONDS", 2.0)
    sound = recording([0.05, 6.0, 0.05], RATE, noise=1e-5)
    levelled = (sound * 10 ** (-23 / 20) / np.sqrt(np.mean(sound.astype(np.float64) ** 2))).astype(np.float32)
    chunks = np.array_split(levelled, 4)  # of 6.1 s, at most 2 s each
    frames = np.concatenate(
        [log_mel(torch.from_numpy(chunk), RATE, 1_024, 256, 80).numpy() for chunk in chunks], axis=1
    )
    expected = np.concatenate([frames.mean(axis=1), frames.std(axis=1)])
    np.testing.assert_allclose(Features(FeatureConfig())(sound, RATE), expected, rtol=1e-3, atol=1e-3)


def test_encoder_features_are_those_of_the_hidden_layer(tmp_path):
    encoder = tiny_hubert(tmp_path / "hubert")
    sound = recording([0.1, 0.8, 0.1], RATE, noise=1e-5)
    hidden = SpeechEncoder(encoder, 2)(torch.from_numpy(prepared_by_hand(sound))).double().numpy()  # [T, 16]
    expected = np.concatenate([hidden.mean(axis=0), hidden.std(axis=0)])
    found = Features(FeatureConfig("encoder", str(encoder), 2))(sound, RATE)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3)


def test_codec_features_are_those_of_its_encoder(model, tmp_path):
    model.codec_model.save_pretrained(tmp_path / "codec")
    features = Features(FeatureConfig("codec", str(tmp_path / "codec")))
    assert features.sampling_rate == 24_000
    sound = recording([0.1, 0.8, 0.1], 24_000, noise=1e-5)
    by_hand = sound[round(0.05 * 24_000) : round(0.95 * 24_000)].astype(np.float64)
    by_hand = (by_hand * 10 ** (-23 / 20) / np.sqrt(np.mean(by_hand**2))).astype(np.float32)
    with torch.no_grad():
        frames = model.codec_model.encoder(torch.from_numpy(by_hand)[None, None])[0].double().numpy()  # [D, T]
    expected = np.concatenate([frames.mean(axis=1), frames.std(axis=1)])
    np.testing.assert_allclose(features(sound, 24_000), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("mfcc",), "'mfcc' are unknown; they are mel, codec, encoder"),
        (("mel", "x"), "have no source"),
        (("codec",), "need a source"),
        (("encoder", "x"), "need a layer"),
        (("codec", "x", 1), "have no layer"),
    ],
)
def test_features_that_can_not_be(options, words):
    with pytest.raises(ValueError, match=words):
        FeatureConfig(*options)


# training and files


def test_the_stored_detector_says_what_scikit_learn_says(folders, tmp_path):
    trained = train_detector(*folders, strength=0.5, seed=3)
    BarkDetector.save_pretrained(trained.detector, tmp_path / "detector")
    assert sorted(path.name for path in (tmp_path / "detector").iterdir()) == [
        "detector.safetensors",
        "detector_config.json",
    ]
    loaded = BarkDetector.from_pretrained(tmp_path / "detector")
    files = [path for folder in folders for path in sorted(folder.iterdir())]
    features = Features(FeatureConfig())
    x = np.array([features(*soundfile.read(path, dtype="float32")) for path in files])
    y = np.repeat([0, 1], 16)
    held_out = sorted(trained.probabilities)
    found = np.array([loaded.probability_of_file(path) for path in files])
    np.testing.assert_allclose(found, trained.detector.probabilities(x), rtol=1e-5)
    is_held_out = np.array([np.isclose(held_out, p, rtol=1e-6, atol=0).any() for p in found])
    assert is_held_out.sum() == len(held_out) == 8
    own = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, class_weight="balanced", max_iter=2_000))
    own.fit(x[~is_held_out], y[~is_held_out])
    np.testing.assert_allclose(found, own.predict_proba(x)[:, 1], atol=1e-4)
    assert loaded.report["trained_on"] == {"real": 12, "generated": 12}
    assert loaded.report["held_out"] == pytest.approx(trained.evaluation._asdict())
    assert trained.evaluation.roc_auc == 1.0


class NamedFeatures:
    """The vector is the recording's first sample: its name."""

    def __init__(self, config):
        pass

    def __call__(self, samples, rate):
        return np.array([samples[0], np.random.default_rng(int(1e6 * samples[0])).random()], dtype=np.float32)


@pytest.mark.parametrize("group_by", ["name", "folder"])
def test_a_source_is_never_on_both_sides(tmp_path, monkeypatch, group_by):
    """The same text, or the same speaker, in training and test would make the test too easy."""
    for kind in ("real", "generated"):
        for speaker in range(8):
            (tmp_path / kind / f"s{speaker}").mkdir(parents=True)
            for text in range(8):
                source = text if group_by == "name" else speaker
                file = tmp_path / kind / f"s{speaker}" / f"{text}.wav"
                soundfile.write(file, np.full(10, (source + 1) / 16), RATE, subtype="FLOAT")
    seen = []
    fit = StandardScaler.fit
    monkeypatch.setattr(StandardScaler, "fit", lambda self, x: [seen.append(x), fit(self, x)][1])
    monkeypatch.setattr(training, "Features", NamedFeatures)
    trained = train_detector(tmp_path / "real", tmp_path / "generated", group_by=group_by)
    sources, counts = np.unique(seen[0][:, 0], return_counts=True)
    assert len(sources) == 6  # three quarters of 8
    assert set(counts.tolist()) == {16}  # all recordings of each: 8 real and 8 generated
    assert len(trained.labels) == 32


def test_unusable_recordings_are_left_out_and_named(folders, tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    for path in folders[0].iterdir():
        (real / path.name).write_bytes(path.read_bytes())
    (real / "text.wav").write_text("no sound")
    soundfile.write(real / "short.wav", speech(1)[2_000:4_000], RATE)
    soundfile.write(real / "silent.wav", np.zeros(RATE), RATE)
    trained = train_detector(real, folders[1])
    reasons = dict(zip(["short.wav", "silent.wav", "text.wav"], trained.refused, strict=True))
    for (name, line), words in zip(reasons.items(), ["at least 0.5 s", "is silent", "can't be read"], strict=True):
        assert name in line
        assert words in line


def test_too_little_to_train_on(folders, tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        train_detector(tmp_path / "no", folders[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no sound files"):
        train_detector(tmp_path / "empty", folders[1])
    with pytest.raises(ValueError, match=r"16 usable real recordings of 1 sources \(by folder\)"):
        train_detector(*folders, group_by="folder")
    with pytest.raises(ValueError, match="group_by='x'"):
        train_detector(*folders, group_by="x")
    with pytest.raises(ValueError, match="strength=0"):
        train_detector(*folders, strength=0)


def test_broken_detectors_are_named(tmp_path):
    detector = BarkDetector(FeatureConfig(), *(np.ones(160) for _ in range(3)), np.zeros(1))
    folder = detector.save_pretrained(tmp_path / "detector")
    assert BarkDetector.from_pretrained(folder).config == FeatureConfig()
    config, weights = folder / "detector_config.json", folder / "detector.safetensors"
    kept = config.read_bytes()
    for content in (b"{", b"{}", b'{"features": {"kind": "x"}, "report": {}}', b'{"features": {"a": 1}, "report": {}}'):
        config.write_bytes(content)
        with pytest.raises(ValueError, match="can't be read"):
            BarkDetector.from_pretrained(folder)
    config.write_bytes(kept)
    save_file(load_file(weights) | {"weight": np.ones(3, dtype=np.float32)}, weights)
    with pytest.raises(ValueError, match=r"shapes \[\[160\], \[160\], \[3\], \[1\]\]"):
        BarkDetector.from_pretrained(folder)
    weights.write_bytes(b"pickle")
    with pytest.raises(ValueError, match="can't be read"):
        BarkDetector.from_pretrained(folder)
    with pytest.raises(ValueError, match="no detector's folder"):
        BarkDetector.from_pretrained(tmp_path)


# scores


def test_scores_by_hand():
    labels = np.array([1, 0, 1, 1, 0, 0])
    probabilities = np.array([0.9, 0.8, 0.7, 0.4, 0.3, 0.1])
    found = evaluate(labels, probabilities)
    assert (found.n_real, found.n_generated) == (3, 3)
    assert (found.precision, found.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found.false_alarms == pytest.approx(1 / 3)
    # pairs (generated, real) in the right order: 0.9 beats 3, 0.7 beats 2, 0.4 beats 2, of 9
    assert found.roc_auc == pytest.approx(7 / 9)
    # recall rises by 1/3 at ranks 1, 3 and 4, where the precision is 1/1, 2/3 and 3/4
    assert found.average_precision == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    strict = evaluate(labels, probabilities, threshold=0.85)
    assert (strict.precision, strict.recall, strict.false_alarms) == (1.0, pytest.approx(1 / 3), 0.0)
    assert np.isnan(evaluate(labels, probabilities, threshold=0.95).precision)
    with pytest.raises(ValueError, match="one of them is missing"):
        evaluate(np.ones(3), np.ones(3))


def test_the_plot_is_a_png(tmp_path):
    plot_evaluation(np.array([0, 1, 0, 1]), np.array([0.1, 0.9, 0.6, 0.4]), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


# the command line


def test_commands(folders, tmp_path):
    out = tmp_path / "detector"
    result = run("train-detector", *folders, "-o", out)
    assert result.exit_code == 0, result.output
    assert "tested on 4 real and 4 generated recordings, not trained on" in result.stdout
    assert (out / "precision_recall.png").is_file()
    real, generated = (folder / "00.wav" for folder in folders)
    result = run("detect", real, generated, "-d", out)
    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[1:] for row in rows] == [["real", str(real)], ["generated", str(generated)]]
    detector = BarkDetector.from_pretrained(out)
    assert float(rows[1][0]) == pytest.approx(detector.probability_of_file(generated), abs=6e-4)
    content = json.loads(run("detect", folders[0], "-d", out, "--json", "--threshold", 0).stdout)
    assert [row["file"] for row in content["files"]] == [str(path) for path in sorted(folders[0].iterdir())]
    assert all(row["generated"] for row in content["files"])


def test_bad_input_of_the_commands(folders, tmp_path, monkeypatch):
    out = tmp_path / "detector"
    BarkDetector(FeatureConfig(), *(np.ones(160) for _ in range(3)), np.zeros(1)).save_pretrained(out)
    (tmp_path / "bad.wav").write_text("no sound")
    good = folders[0] / "00.wav"
    result = run("detect", tmp_path / "bad.wav", tmp_path / "no.wav", good, "-d", out)
    assert result.exit_code == 1
    assert [line.startswith("error: ") for line in result.stderr.splitlines()] == [True, True]
    assert result.stdout.endswith(f"{good}\n")  # the others are still judged
    for args, words in (
        (("detect", good, "-d", tmp_path), "no detector's folder"),
        (("train-detector", tmp_path / "no", folders[1], "-o", out), "there is no folder"),
        (("train-detector", *folders, "-o", good), "is a file; a detector is a folder"),
        (("train-detector", *folders, "-o", out, "--features", "codec"), "need a source"),
    ):
        result = run(*args)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1), result.output
        assert words in result.stderr
    monkeypatch.setattr("bark_hf.demo.__file__", str(tmp_path / "demo.py"))
    assert command._detector_folder(str(out)) == out
    (tmp_path / "detector").rename(tmp_path / "kept")
    assert "no demo detector" in run("detect", good).stderr
    (tmp_path / "kept").rename(tmp_path / "detector")
    assert run("detect", good).exit_code == 0
