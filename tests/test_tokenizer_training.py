"""Training of semantic tokenizers: toy tasks they must learn, figures by hand, and what is refused."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import soundfile
import torch
from tiny import tiny_model
from tokenizer_fixtures import tiny_hubert, tone_clip, tone_folder

from bark_hf import BarkProcessor
from bark_hf.codec.mel.spectrogram import LOG_FLOOR, hz_to_mel, mel_to_hz
from bark_hf.semantic_tokenizer import load_semantic_tokenizer
from bark_hf.training.recipe import load_recipe
from bark_hf.training.tokenizer_augment import MelShape, add_noise, augment, change_speed, narrow_band, shift_formants
from bark_hf.training.tokenizer_clips import find_clips, frame_labels
from bark_hf.training.tokenizer_examples import TokenizerExamples
from bark_hf.training.tokenizer_kmeans import fit_projection
from bark_hf.training.tokenizer_pairs import make_pairs
from bark_hf.training.tokenizer_recipe import KINDS
from bark_hf.training.tokenizer_report import measure_tokenizer, mutual_information, purity
from bark_hf.training.tokenizer_training import TokenizerRecipe, train_tokenizer

SHAPE = MelShape(16_000, 40)


def recipe(folder, out, **fields):
    return load_recipe(TokenizerRecipe, None, {"data": str(folder), "output_dir": str(out)} | fields)


FAST = {
    "vocab_size": 4,
    "hidden_size": 16,
    "num_layers": 1,
    "batch_size": 4,
    "learning_rate": 1e-2,
    "eval_fraction": 0.2,
    "device": "cpu",
    "eval_steps": 20,
    "save_steps": 20,
}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return tone_folder(tmp_path_factory.mktemp("tones") / "clips")


@pytest.fixture(scope="module")
def hubert(tmp_path_factory):
    return tiny_hubert(tmp_path_factory.mktemp("hubert"))


# The three kinds


def test_frame_network_learns_which_tone_is_which(tones, tmp_path):
    result = train_tokenizer(recipe(tones, tmp_path, max_steps=40, augment=False, labels_per_phone=2, **FAST))
    tokenizer = load_semantic_tokenizer(result)
    new = [0] * 12 + [3] * 9 + [1] * 14 + [2] * 10
    tokens = tokenizer.encode(tone_clip(new, seed=99), 16_000)
    assert (tokens == torch.tensor(new)).float().mean() > 0.85
    report = json.loads((result / "report.json").read_text())["held_out"]
    assert report["frame_accuracy"] > 0.85
    assert report["phone_accuracy"] >= report["frame_accuracy"]
    assert set(report["speakers"]) <= {"speaker-0", "speaker-1"}
    assert load_semantic_tokenizer(tmp_path).config == tokenizer.config  # a checkpoint with the tokenizer inside


def test_frame_network_goes_on_where_it_stopped(tones, tmp_path):
    fields = FAST | {"eval_steps": 0, "save_steps": 4, "eval_fraction": 0.0, "lr_schedule": "constant"}
    fields |= {"warmup_steps": 0, "weights_dtype": "float32"}
    whole = load_semantic_tokenizer(train_tokenizer(recipe(tones, tmp_path / "a", max_steps=8, **fields)))
    train_tokenizer(recipe(tones, tmp_path / "b", max_steps=4, **fields))
    parts = load_semantic_tokenizer(train_tokenizer(recipe(tones, tmp_path / "b", max_steps=8, **fields)))
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], tensor)


@pytest.mark.parametrize("projection", ["none", "pca", "lda"])
def test_kmeans_finds_the_tones(tones, tmp_path, projection):
    fields = {"kind": "kmeans", "vocab_size": 16, "projection": projection, "projected_size": 3, "eval_fraction": 0.2}
    result = train_tokenizer(recipe(tones, tmp_path, **fields))
    report = json.loads((result / "report.json").read_text())["held_out"]
    assert report["phone_purity"] > 0.85
    assert "frame_accuracy" not in report  # a cluster's number means nothing
    assert {path.suffix for path in result.iterdir()} == {".json", ".safetensors"}


def test_kmeans_needs_no_labels_and_takes_an_encoder(hubert, tmp_path):
    folder = tmp_path / "sound"
    (folder / "anna").mkdir(parents=True)
    for number in range(3):
        stereo = np.stack([tone_clip([number] * 30, number)] * 2, axis=1)
        soundfile.write(folder / "anna" / f"{number}.flac", stereo, 16_000)
    fields = {"kind": "kmeans", "vocab_size": 4, "encoder": str(hubert), "layer": 1, "eval_fraction": 0.3}
    result = train_tokenizer(recipe(folder, tmp_path / "out", **fields))
    tokenizer = load_semantic_tokenizer(result)
    assert (tokenizer.rate_hz, tokenizer.vocab_size) == (50, 4)
    report = json.loads((result / "report.json").read_text())["held_out"]
    assert set(report) == {"clips", "frames", "tokens_used", "speaker_information_bits"}
    assert report["frames"] == report["clips"] * 29


def test_hubert_quantizer_learns_from_bark_s_own_sound(hubert, tmp_path, checkpoint):
    """Pairs of a checkpoint that are there already, and enough steps to know them by heart."""
    (tmp_path / "texts.txt").write_text("hello world\n\nthis is a test\n")
    fields = FAST | {"kind": "hubert_quantizer", "model": str(checkpoint), "texts": str(tmp_path / "texts.txt")}
    fields |= {"encoder": str(hubert), "layer": 2, "vocab_size": 40, "hidden_size": 32, "eval_fraction": 0.0}
    data = tone_pairs(tmp_path / "pairs")
    result = train_tokenizer(recipe(data, tmp_path / "out", max_steps=40, **fields))
    rows = [json.loads(line) for line in (data / "metadata.jsonl").read_text().splitlines()]
    losses = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in losses if "loss" in line]
    assert [row["file_name"] for row in rows] == ["pair-000000.wav", "pair-000001.wav"]
    assert losses[-1] < losses[0] / 4
    tokenizer = load_semantic_tokenizer(result)
    sound, rate = soundfile.read(data / "pair-000000.wav", dtype="float32")
    tokens = tokenizer.encode(sound, rate)
    wanted = frame_labels(rows[0]["semantic"], 49.9, len(tokens), 50.0, "it")
    assert (tokens.numpy() == wanted).mean() > 0.5


def tone_pairs(folder):
    """What `make_pairs` leaves behind, so that the training finds everything done."""
    folder.mkdir()
    rows = []
    for number, labels in enumerate([[0] * 30 + [1] * 30, [2] * 30 + [3] * 30]):
        soundfile.write(folder / f"pair-{number:06d}.wav", tone_clip(labels, number), 16_000)
        row = {"file_name": f"pair-{number:06d}.wav", "text": str(number), "speaker": "a"}
        rows.append(json.dumps(row | {"semantic": [10 * label for label in labels]}))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def test_a_teacher_s_tokens_are_the_labels(tones, tmp_path):
    teacher = train_tokenizer(recipe(tones, tmp_path / "teacher", max_steps=40, augment=False, **FAST))
    unlabelled = tone_folder(tmp_path / "clips", with_labels=False)
    new = tone_folder(tmp_path / "new", n_clips=2, with_labels=False)
    fields = FAST | {"teacher": str(teacher), "max_steps": 40, "augment": False, "eval_data": str(new)}
    student = load_semantic_tokenizer(train_tokenizer(recipe(unlabelled, tmp_path / "student", **fields)))
    sound = tone_clip([0] * 12 + [3] * 9 + [1] * 14, seed=99)
    agreement = (student.encode(sound, 16_000) == load_semantic_tokenizer(teacher).encode(sound, 16_000)).float().mean()
    assert agreement > 0.8


# Pairs


def test_pairs_are_what_the_model_says_alone(checkpoint, tmp_path):
    model, processor = tiny_model(), BarkProcessor.from_pretrained(checkpoint)
    model.generation_config.semantic_config.max_new_tokens = 12
    texts, voices = ["hello", "this is a test", "pizza"], [None, "v2/en_speaker_6"]
    make_pairs(model, processor, texts, tmp_path, voices=voices, batch_size=2, seed=7)
    rows = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text().splitlines()]
    assert [row["speaker"] for row in rows] == ["random-0", "v2/en_speaker_6", "random-2"]
    alone = model.generate(
        **processor("this is a test", voice_preset="v2/en_speaker_6"), seed=8, return_dict_in_generate=True
    )
    assert rows[1]["semantic"] == alone.semantic_tokens[0].tolist()
    sound, rate = soundfile.read(tmp_path / "pair-000001.wav", dtype="float32")
    assert rate == 24_000
    np.testing.assert_allclose(sound, alone.waveform(0).clamp(-1, 1).numpy(), atol=1e-4)


def test_pairs_go_on_behind_a_killed_run(checkpoint, tmp_path):
    class Counting:
        def __init__(self):
            self.model, self.seeds = tiny_model(), []
            self.model.generation_config.semantic_config.max_new_tokens = 5

        def generate(self, seed, **kwargs):
            self.seeds += seed
            return self.model.generate(seed=seed, **kwargs)

    processor, texts = BarkProcessor.from_pretrained(checkpoint), ["hello", "world", "cat"]
    first = Counting()
    make_pairs(first, processor, texts[:2], tmp_path)
    with (tmp_path / "metadata.jsonl").open("a") as file:
        file.write('{"file_name": "pair-0000')
    second = Counting()
    make_pairs(second, processor, texts, tmp_path)
    assert (first.seeds, second.seeds) == ([0, 1], [2])
    assert len(find_clips(tmp_path)) == 3


# Clips, labels, examples


@pytest.mark.parametrize(("label_rate", "frame_rate"), [(50, 50), (49.9, 50), (100, 50), (25, 50), (50, 75)])
def test_a_frame_has_the_label_at_its_middle(label_rate, frame_rate):
    labels = list(range(int(2 * label_rate)))
    got = frame_labels(labels, label_rate, 2 * frame_rate, frame_rate, "clip")
    for frame, label in enumerate(got):
        time = (frame + 0.5) / frame_rate
        inside = [k for k in labels if k / label_rate <= time + 1e-9 and time + 1e-9 < (k + 1) / label_rate]
        assert [label] == (inside or [-100])


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"a.wav: 100 labels at 50 Hz are 2.00 s, its sound has 1.00 s; give"):
        frame_labels([0] * 100, 50, 50, 50, "a.wav")


def test_an_example_is_a_function_of_seed_epoch_and_index(tones):
    def examples(seed=0):
        return TokenizerExamples(
            find_clips(tones),
            lambda wave: wave.unfold(0, 320, 320)[:, :40],
            sampling_rate=16_000,
            frame_rate=50,
            label_rate=50,
            crop_frames=20,
            change=lambda features, labels, rng: augment(features, labels, rng, SHAPE),
            seed=seed,
        )

    first, second = examples(), examples()
    second[4]  # an item drawn in between changes nothing
    one, same = first[3], second[3]
    assert torch.equal(one["input_features"], same["input_features"])
    first.set_epoch(1)
    assert not torch.equal(first[3]["input_features"][:5], one["input_features"][:5])
    assert not torch.equal(examples(seed=1)[3]["input_features"][:5], one["input_features"][:5])
    assert max(first.lengths) == 20


def test_crop_keeps_labels_with_their_frames(tones):
    """Features that are the frame's own number: the label of frame n must be the clip's label n."""
    clips = find_clips(tones)
    examples = TokenizerExamples(
        clips,
        lambda wave: torch.arange(len(wave) // 320)[:, None].float(),
        sampling_rate=16_000,
        frame_rate=50,
        label_rate=50,
        crop_frames=10,
    )
    starts = set()
    for epoch in range(5):
        examples.set_epoch(epoch)
        item = examples[0]
        frames = item["input_features"][:, 0].long().tolist()
        starts.add(frames[0])
        assert frames == list(range(frames[0], frames[0] + 10))
        assert item["labels"].tolist() == [clips[0].labels[frame] for frame in frames]
    assert len(starts) > 1


def test_collate_pads_behind_the_frames():
    short = {"input_features": torch.ones(2, 3), "labels": torch.tensor([5, 6])}
    long = {"input_features": torch.ones(4, 3), "labels": torch.tensor([1, 2, 3, 4])}
    batch = TokenizerExamples.collate([short, long])
    assert batch["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert batch["labels"].tolist() == [[5, 6, -100, -100], [1, 2, 3, 4]]
    assert torch.equal(batch["input_features"][0], torch.tensor([[1.0] * 3] * 2 + [[0.0] * 3] * 2))


# Augmentation


def test_speed_keeps_each_label_over_its_features():
    features = np.repeat(np.arange(8.0), 10)[:, None].astype(np.float32)
    labels = np.repeat(np.arange(8), 10)
    for speed in (0.8, 1.0, 1.25):
        changed, changed_labels = change_speed(features, labels, speed)
        assert len(changed) == round(80 / speed)
        assert np.abs(changed[:, 0] - changed_labels).max() <= 0.5
    assert np.array_equal(change_speed(features, labels, 1.0)[0], features)


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.2])
def test_formants_move_by_the_factor(factor):
    centres = SHAPE.centres()
    peak = np.exp(-((centres - hz_to_mel(1_500)) ** 2) / 2)[None].astype(np.float32)
    moved = centres[shift_formants(peak, SHAPE, factor)[0].argmax()]
    assert mel_to_hz(np.array(moved)) == pytest.approx(1_500 * factor, rel=0.05)


def test_narrow_band_is_empty_above_its_end():
    features = narrow_band(np.zeros((3, 40), np.float32), SHAPE, 4_000)
    above = mel_to_hz(SHAPE.centres()) > 4_000
    assert (features[:, above] == np.log(LOG_FLOOR)).all()
    assert (features[:, ~above] == 0).all()


def test_noise_is_as_far_below_speech_as_asked():
    speech = np.full((400, 40), -9.0, np.float32)
    speech[:200] = 0.0
    means = []
    for decibels in (10.0, 40.0):
        curves = [add_noise(speech, decibels, np.random.default_rng(seed))[200:] for seed in range(40)]
        means.append(np.mean(curves))
        assert np.mean(curves) > -9  # pauses are filled
    assert means[0] - means[1] == pytest.approx(30 * np.log(10) / 20, rel=0.15)


# Figures


def test_purity_and_information_by_hand():
    tokens, labels = [0, 0, 0, 1, 1, 2], [5, 5, 6, 6, 6, 5]
    assert purity(tokens, labels) == pytest.approx((2 + 2 + 1) / 6)
    # two fair coins: equal, independent, and half known
    assert mutual_information([0, 1] * 50, [0, 1] * 50) == pytest.approx(1.0)
    assert mutual_information([0, 0, 1, 1] * 9, [0, 1, 0, 1] * 9) == pytest.approx(0.0)
    assert mutual_information([0, 0, 1, 2], ["a", "b", "a", "b"]) == pytest.approx(0.5)


def test_measure_counts_states_phones_and_speakers(tmp_path):
    class Scripted:
        rate_hz = frame_rate_hz = 50
        config = type("Config", (), {"sampling_rate": 16_000})

        def encode(self, waveform, rate):
            return torch.tensor([0, 1, 2, 3, 4] if waveform.abs().max() < 0.2 else [0, 0, 5, 5, 5])

    for name, level in (("a", 0.1), ("b", 0.5)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(1_600, level, np.float32), 16_000)
    rows = [
        {"file_name": "a.wav", "text": "x", "speaker": "anna", "semantic": [0, 1, 2, 4, 3]},
        {"file_name": "b.wav", "text": "y", "speaker": "bob", "semantic": [0, 3, 5, 3, 0]},
    ]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = measure_tokenizer(Scripted(), find_clips(tmp_path), labels_per_phone=3)
    assert report["frame_accuracy"] == 0.5  # 3 of 5 and 2 of 5
    assert report["phone_accuracy"] == 0.8  # 5 of 5 and 3 of 5
    assert report["speakers"]["bob"] == {"frame_accuracy": 0.4, "phone_accuracy": 0.6}
    assert (report["clips"], report["frames"], report["tokens_used"]) == (2, 10, 6)
    assert report["phone_purity"] == 0.8
    tokens, speakers = [0, 1, 2, 3, 4, 0, 0, 5, 5, 5], ["anna"] * 5 + ["bob"] * 5
    assert report["speaker_information_bits"] == pytest.approx(mutual_information(tokens, speakers), abs=1e-4)


def test_lda_separates_what_pca_does_not():
    """Labels differ along the axis of least variance: by hand, LDA's direction is that axis."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    features = np.stack([rng.normal(0, 10, 400), labels + rng.normal(0, 0.1, 400)], axis=1).astype(np.float32)
    for kind, separates in (("lda", True), ("pca", False)):
        mean, matrix = fit_projection(kind, 1, features, labels)
        line = ((features - mean) @ matrix)[:, 0]
        gap = abs(line[labels == 0].mean() - line[labels == 1].mean()) / line[labels == 0].std()
        assert (gap > 5) == separates


# Refusals


def refused(says, call):
    with pytest.raises(ValueError, match=says) as error:
        call()
    assert "\n" not in str(error.value)


def test_bad_data_is_one_clear_line(tones, tmp_path):
    refused("is no folder", lambda: train_tokenizer(recipe(tmp_path / "nowhere", tmp_path)))
    (tmp_path / "empty").mkdir()
    refused("has no recordings", lambda: train_tokenizer(recipe(tmp_path / "empty", tmp_path)))
    low = recipe(tones, tmp_path / "out", **FAST | {"vocab_size": 3})
    refused("has the label 3; labels must be 0..2; raise vocab_size", lambda: train_tokenizer(low))
    bare = tone_folder(tmp_path / "bare", n_clips=3, with_labels=False)
    refused("has no labels; this training needs them", lambda: train_tokenizer(recipe(bare, tmp_path / "out", **FAST)))
    many = recipe(tones, tmp_path / "out", kind="kmeans", vocab_size=100_000)
    refused("frames for vocab_size=100000 centroids", lambda: train_tokenizer(many))
    lda = recipe(bare, tmp_path / "out", kind="kmeans", vocab_size=4, projection="lda", projected_size=2)
    refused("projection=lda needs labels", lambda: train_tokenizer(lda))
    wide = recipe(bare, tmp_path / "out", kind="kmeans", vocab_size=4, projection="pca", projected_size=81)
    refused("projected_size=81, but there are 80", lambda: train_tokenizer(wide))
    (bare / "0.wav").write_bytes(b"nothing")
    refused("0.wav can't be used", lambda: train_tokenizer(recipe(bare, tmp_path / "out", kind="kmeans", vocab_size=4)))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "magic"}, "kind='magic' is unknown"),
        ({"projection": "pca"}, "projection='pca' is for kind=kmeans"),
        ({"encoder": "x"}, "encoder='x' is not for kind=frame_network"),
        ({"kind": "kmeans", "switching_penalty": 1.0}, "switching_penalty is for kind=frame_network"),
        ({"model": "x"}, "model='x' is for kind=hubert_quantizer"),
        ({"kind": "hubert_quantizer", "model": "x"}, "model and texts go together"),
    ],
)
def test_contradictions_in_a_recipe_are_named(tmp_path, fields, says):
    refused(says, lambda: recipe(tmp_path, tmp_path, **fields))


def test_a_checkpoint_of_another_rate_is_refused(tmp_path, checkpoint):
    (tmp_path / "texts.txt").write_text("hello\n")
    fields = {"kind": "hubert_quantizer", "model": str(checkpoint), "texts": str(tmp_path / "texts.txt")}
    other = recipe(tmp_path / "data", tmp_path / "out", label_rate_hz=50.0, device="cpu", **fields)
    refused("has 49.9 semantic tokens per second, expected are 50", lambda: train_tokenizer(other))


def test_without_scikit_learn_the_extra_is_named(tones, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"scikit-learn is not installed; .* pip install 'bark-hf\[train\]'"):
        train_tokenizer(recipe(tones, tmp_path, kind="kmeans", vocab_size=4))


def test_the_default_vocabulary_is_that_of_what_is_trained():
    sizes = {kind: TokenizerRecipe(kind=kind, data="d", output_dir="o").n_tokens for kind in KINDS}
    assert sizes == {"frame_network": 128, "kmeans": 128, "hubert_quantizer": 10_000}
    assert TokenizerRecipe(kind="hubert_quantizer", vocab_size=40, data="d", output_dir="o").n_tokens == 40


def test_missing_recordings_are_left_out_and_named(tmp_path, capsys):
    """The clips that are there give what they give alone; nothing is left only where all files are missing."""
    tones = tone_folder(tmp_path / "tones", n_clips=9)
    for number in (2, 5):
        (tones / f"{number}.wav").unlink()
    options = FAST | {"kind": "kmeans", "vocab_size": 4, "eval_fraction": 0.0}
    result = train_tokenizer(recipe(tones, tmp_path / "out", **options))
    lost = [str(tones / f"{number}.wav") for number in (2, 5)]
    assert f"2 of 9 recordings are missing and left out: {', '.join(lost)}\n" in capsys.readouterr().err
    assert json.loads((result / "report.json").read_text())["missing"] == lost
    for path in tones.glob("*.wav"):
        path.unlink()
    refused("none of the 9 recordings", lambda: train_tokenizer(recipe(tones, tmp_path / "none", **options)))
