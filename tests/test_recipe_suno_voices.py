"""The recipe that trains on Suno's voices: the rows that are made of them, the split, the losses of its table."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny import SHARED, needs_voices, tiny_model

from bark_hf.evaluation.losses import stage_losses
from bark_hf.training.dataset import FEATURES, clip_of
from bark_hf.training.examples import FineExamples
from bark_hf.voices import VoicePrompt

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes" / "suno_voices"))
from losses import Labels, coarse_labels, fine_labels, logged_unigram, unigram
from report import lines_of, markdown
from voices import held_out, overlaps, read_voices, row


def voice(n_tokens: int, seed: int, first: np.ndarray | None = None) -> VoicePrompt:
    """A random voice of 1.5 frames per token; `first` replaces the beginning of its first codebook."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1_024, (8, n_tokens * 3 // 2))
    if first is not None:
        codes[0, : len(first)] = first
    return VoicePrompt(rng.integers(0, 10_000, n_tokens), codes[:2], codes)


def prepared(n: int) -> Dataset:
    return Dataset.from_list([row(f"en_speaker_{i}", voice(20 + 2 * i, i)) for i in range(n)], features=FEATURES)


@pytest.mark.parametrize(
    ("name", "language"),
    [("v2/en_speaker_6", "en"), ("zh_speaker_0", "zh"), ("speaker_3", "und"), ("announcer", "und")],
)
def test_a_voice_becomes_a_row(name, language):
    """A voice's own arrays come back from the data set; presets without a language don't get an invented one."""
    prompt = voice(40, 1)
    data = Dataset.from_list([row(name, prompt)], features=FEATURES)
    clip = clip_of(data[0])
    assert (data[0]["id"], data[0]["speaker"], data[0]["language"], data[0]["text"]) == (name, name, language, "")
    assert data[0]["seconds"] == pytest.approx(60 / 75)
    assert np.array_equal(clip.semantic.numpy(), prompt.semantic_prompt)
    assert np.array_equal(clip.codes.numpy(), prompt.fine_prompt)


def test_voices_that_share_sound_are_found():
    """24 frames at different places are a pair; 23 frames aren't, nor is shared silence."""
    source = voice(100, 0)
    shared = source.coarse_prompt[0, 50:74]
    silence = np.tile([7, 8], 30)
    voices = {
        "source": source,
        "copy": voice(100, 1, shared),
        "less": voice(100, 2, shared[:23]),
        "silent": voice(100, 3, silence),
        "quiet": voice(100, 4, silence),
    }
    assert overlaps(voices) == {("source", "copy")}


def test_the_split_is_fixed_and_leaves_pairs_alone():
    names = [f"v{i}" for i in range(30)]
    chosen = held_out(names, {("v0", "v1"), ("v5", "v6")}, 25)
    assert len(chosen) == 25
    assert not chosen & {"v0", "v1", "v5", "v6"}
    assert held_out(reversed(names), set(), 7) == held_out(names, set(), 7)
    with pytest.raises(ValueError, match=r"^26 voices stand alone; more than 26 are needed .*add voices\.$"):
        held_out(names, {("v0", "v1"), ("v5", "v6")}, 26)


def test_unigram_by_hand():
    """Codebook 0 has 0, 0, 1, 0 in two voices, codebook 1 only 3: each code counted once more than it occurs."""
    table = unigram([np.array([[0, 0, 1], [3, 3, 3]]), np.array([[0], [3]])], size=4)
    expected = -np.log(np.array([[4, 2, 1, 1], [1, 1, 1, 5]]) / 8)
    assert table == pytest.approx(expected)


def test_a_network_that_knows_nothing_is_uniform():
    """All logits 0: ln of the vocabulary, and ln 1,024 among the codebook's own codes."""
    model, data = tiny_model(), prepared(2)
    with torch.no_grad():
        model.coarse_acoustics.lm_head.weight.zero_()
        for head in model.fine_acoustics.lm_heads:
            head.weight.zero_()
    for labels, head, n in (
        (coarse_labels(model, data), model.coarse_acoustics.lm_head, 2 * (30 + 33)),
        (fine_labels(model, data), model.fine_acoustics.lm_heads[0], 6 * (30 + 33)),
    ):
        assert len(labels.loss) == n
        assert labels.loss == pytest.approx(np.full(n, math.log(head.out_features)), rel=1e-5)
        assert labels.limited == pytest.approx(np.full(n, math.log(1_024)), rel=1e-5)


def test_losses_are_those_of_the_evaluation():
    """The same means per codebook as `stage_losses`, and the codes are the voices' own."""
    model, data = tiny_model(), prepared(3)
    expected = stage_losses(model, data, lambda text: [5], history_probability=0.0)
    for stage, labels in (("coarse", coarse_labels(model, data)), ("fine", fine_labels(model, data))):
        for name, value in expected[stage].items():
            chosen = labels.codebook == int(name.removeprefix("codebook "))
            assert labels.loss[chosen].mean() == pytest.approx(value, rel=1e-4)
        assert (labels.limited < labels.loss).all()
        for i, example in enumerate(data):
            for k in np.unique(labels.codebook):
                assert labels.code[(labels.voice == i) & (labels.codebook == k)].tolist() == example["codes"][k]


def test_the_log_s_baseline_by_hand():
    """Every code of codebook k costs k + 1, so voices cost 1.5 (as many of 0 as of 1) or their drawn codebook + 1."""
    data, config = prepared(3), tiny_model().generation_config
    table = np.repeat(np.arange(1.0, 9.0)[:, None], 1_024, axis=1)
    assert logged_unigram("coarse", data, config, table) == pytest.approx(1.5)
    drawn = [example.codebook for example in FineExamples(data, config, history_probability=0.0)]
    assert logged_unigram("fine", data, config, table) == pytest.approx(np.mean(drawn) + 1)


def test_table_by_hand():
    """Voice 0 has codes 0 and 1 of codebook 2, voice 1 code 0: means over codes, `below` over voices."""
    table = np.zeros((3, 2))
    table[2] = [1.0, 4.0]
    labels = Labels(
        voice=np.array([0, 0, 1]),
        codebook=np.array([2, 2, 2]),
        code=np.array([0, 1, 0]),
        loss=np.array([3.0, 3.0, 3.0]),
        limited=np.array([2.0, 2.0, 1.5]),
    )
    lines = lines_of("fine", labels, table)
    assert [line.codebook for line in lines] == ["2", "all"]
    assert lines[0][2:] == (3, 2.0, 3.0, pytest.approx(5.5 / 3), 1)
    assert markdown(lines, 2).splitlines()[2] == "| fine | 2 | 3 | 6.931 | 2.000 | 3.000 | 1.833 | 1 of 2 voices |"


@needs_voices
def test_all_of_suno_s_voices():
    """271 voices, of which ten are there under two names; each of the 41 held out is there once."""
    voices = read_voices(SHARED / "data" / "suno_voices")
    pairs = overlaps(voices)
    chosen = held_out(voices, pairs, 41)
    assert (len(voices), len(chosen)) == (271, 41)
    assert pairs == {(f"speaker_{i}", f"zh_speaker_{i}") for i in range(10)}
    assert all(voices[first] == voices[second] for first, second in pairs)
    assert not chosen & {name for pair in pairs for name in pair}
