"""`generate` as a user meets it: outputs, callbacks, processors that plug in, inputs that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import tiny_voice
from transformers import BatchFeature, LogitsProcessor, NoRepeatNGramLogitsProcessor
from transformers.models.bark.generation_configuration_bark import (
    BarkCoarseGenerationConfig as TheirCoarseConfig,
)

from bark_hf import BarkModel, BarkOutput, BarkProcessor, VoicePrompt

SHORT = {"max_new_tokens": 12, "min_eos_p": None, "seed": 3}
IDS = torch.tensor([[5, 6, 7, 0, 0], [8, 9, 10, 11, 12]])


class Identity(LogitsProcessor):
    """Changes nothing, but makes the stages compute their whole vocabularies."""

    def __init__(self):
        self.shapes = []

    def __call__(self, input_ids, scores):
        self.shapes.append((tuple(input_ids.shape), tuple(scores.shape)))
        return scores


def test_outputs(model):
    out = model.generate(IDS, return_dict_in_generate=True, **SHORT)
    assert isinstance(out, BarkOutput)
    assert out.audio.dtype == torch.float32
    assert out.audio.shape == (2, 320 * 18)  # floor(12 * 75 / 49.9) = 18 frames
    assert out.audio_lengths.tolist() == [5760, 5760]
    assert out.semantic_tokens.shape == (2, 12)
    assert out.coarse_codes.shape == (2, 2, 18)
    assert out.fine_codes.shape == (2, 8, 18)
    assert torch.equal(out.fine_codes[:, :2], out.coarse_codes)
    assert out.fine_codes.min() >= 0
    assert out.fine_codes.max() < 1024
    assert out.seeds == [3, 3]
    assert out.sampling_rate == 24_000
    audio, lengths = model.generate(IDS, return_output_lengths=True, **SHORT)
    assert torch.equal(audio, out.audio)
    assert torch.equal(lengths, out.audio_lengths)
    assert torch.equal(model.generate(IDS, **SHORT), out.audio)
    assert torch.equal(out.waveform(1), out.audio[1])


def test_unseeded_calls_differ_and_follow_torchs_global_seed(model):
    first, second = (model.generate(IDS, **(SHORT | {"seed": None})) for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(5)
    third = model.generate(IDS, **(SHORT | {"seed": None}))
    torch.manual_seed(5)
    assert torch.equal(model.generate(IDS, **(SHORT | {"seed": None})), third)


def test_reported_seeds_give_an_unseeded_item_again(model):
    out = model.generate(IDS, return_dict_in_generate=True, num_return_sequences=2, **(SHORT | {"seed": None}))
    again = model.generate(IDS[1:], **(SHORT | {"seed": out.seeds[3]}))
    assert torch.equal(again[0], out.audio[3])


def test_a_voice_just_heard_can_be_saved_and_used(model, tmp_path):
    out = model.generate(IDS, return_dict_in_generate=True, **(SHORT | {"max_new_tokens": 40}))
    out.voice(1).save(tmp_path / "me.npz")
    voice = VoicePrompt.load(tmp_path / "me.npz")
    np.testing.assert_array_equal(voice.fine_prompt, out.fine_codes[1])
    with_voice = model.generate(IDS, history_prompt=voice, **SHORT)
    assert not torch.equal(with_voice, model.generate(IDS, **SHORT))


def test_history_prompt_in_every_form(model, tmp_path):
    voice = tiny_voice()
    voice.save(tmp_path / "v.npz")
    expected = model.generate(IDS, history_prompt=voice, **SHORT)
    tensors = {key: torch.tensor(value, dtype=torch.int32) for key, value in voice.to_dict().items()}
    narrow = {key: value.astype(np.uint16) for key, value in voice.to_dict().items()}
    for form in (tensors, narrow, BatchFeature(tensors), tmp_path / "v.npz", str(tmp_path / "v.npz"), [voice, tensors]):
        assert torch.equal(model.generate(IDS, history_prompt=form, **SHORT), expected)


def test_progress_reports_every_stage_to_its_end(model):
    calls = []
    model.generate(IDS, progress=lambda *call: calls.append(call), **SHORT)
    assert list(dict.fromkeys(stage for stage, _, _ in calls)) == ["semantic", "coarse", "fine", "codec"]
    for stage, total in (("semantic", 12), ("coarse", 36), ("fine", 6), ("codec", 2)):
        counts = [done for name, done, _ in calls if name == stage]
        assert counts == sorted(counts)
        assert counts[-1] == total
        assert {limit for name, _, limit in calls if name == stage} == {total}


@pytest.mark.parametrize("greedy", [False, True])
def test_restricted_heads_leave_the_same_tokens(model, greedy):
    """A processor that does nothing switches to the full vocabularies of 10,048 and 12,096."""
    probe = Identity()
    options = SHORT | {"do_sample": not greedy, "top_k": 40, "top_p": 0.95, "max_new_tokens": 50}
    restricted = model.generate(IDS, return_dict_in_generate=True, **options)
    full = model.generate(IDS, return_dict_in_generate=True, logits_processor=[probe], **options)
    assert torch.equal(full.semantic_tokens, restricted.semantic_tokens)
    assert torch.equal(full.fine_codes, restricted.fine_codes)
    assert probe.shapes[:2] == [((2, 0), (2, 10_048)), ((2, 1), (2, 10_048))]
    assert probe.shapes[50] == ((2, 0), (2, 12_096))
    assert probe.shapes[-1] == ((2, 149), (2, 12_096))


def test_transformers_processors_plug_in(model):
    options = SHORT | {"max_new_tokens": 30, "do_sample": False}
    out = model.generate(
        IDS, semantic_logits_processor=NoRepeatNGramLogitsProcessor(1), return_dict_in_generate=True, **options
    )
    assert all(len(set(row)) == 30 for row in out.semantic_tokens.tolist())
    coarse = model.generate(
        IDS, coarse_logits_processor=[NoRepeatNGramLogitsProcessor(1)], return_dict_in_generate=True, **options
    )
    assert all(len(set(row)) == 45 for item in coarse.coarse_codes.tolist() for row in item)


def test_processors_only_ever_widen_minus_infinity(model):
    """The caller's processor runs behind the suppression, so it cannot bring pad ids back."""

    class Constant(LogitsProcessor):
        def __call__(self, input_ids, scores):
            return torch.where(torch.isfinite(scores), torch.zeros_like(scores), scores)

    out = model.generate(IDS, logits_processor=Constant(), return_dict_in_generate=True, **SHORT)
    assert out.semantic_tokens.max() <= 10_000
    assert out.coarse_codes.max() < 1024


def test_unit_processor_that_leaves_nothing_is_an_error(model):
    class Nothing(LogitsProcessor):
        def __call__(self, input_ids, scores):
            return torch.full_like(scores, -torch.inf)

    with pytest.raises(ValueError, match=r"processors \(Nothing\) left no token"):
        model.generate(IDS, logits_processor=Nothing(), **SHORT)


def test_long_text_warns_how_much_is_lost(model):
    ids = torch.randint(1, 100, (1, 300))
    with pytest.warns(UserWarning, match=r"300 tokens; Bark reads 256, so the last 44 \(14.7 %\) are lost"):
        out = model.generate(ids, **SHORT)
    assert torch.equal(out, model.generate(ids[:, :256], **SHORT))


def test_missing_mask_and_left_padding_do_not_change_the_prompt(model):
    expected = model.generate(IDS[:1, :3], **SHORT)
    assert torch.equal(model.generate(IDS[:1], **SHORT), expected)
    left, mask = torch.tensor([[0, 0, 5, 6, 7]]), torch.tensor([[0, 0, 1, 1, 1]])
    assert torch.equal(model.generate(left, attention_mask=mask, **SHORT), expected)


def test_sub_models_generate_as_the_whole(model):
    out = model.generate(IDS, return_dict_in_generate=True, **SHORT)
    options = {"max_new_tokens": 12, "min_eos_p": None}
    semantic = model.semantic.generate(IDS, seed=3, **options)
    assert torch.equal(semantic, out.semantic_tokens)
    before = semantic.clone()
    coarse, lengths = model.coarse_acoustics.generate(semantic, seed=3, return_output_lengths=True)
    assert torch.equal(semantic, before)
    assert coarse.shape == (2, 36)
    assert lengths.tolist() == [36, 36]
    fine = model.fine_acoustics.generate(coarse, seed=3)
    assert torch.equal(fine, out.fine_codes)
    small = model.coarse_acoustics.generate(
        semantic, coarse_generation_config=TheirCoarseConfig(temperature=0.7, do_sample=True, top_k=None), seed=3
    )
    assert torch.equal(small, coarse)


def test_everything_at_once_through_the_processor(checkpoint):
    processor, model = BarkProcessor.from_pretrained(checkpoint), BarkModel.from_pretrained(checkpoint)
    inputs = processor(["hello world", "a cat"], voice_preset=["v2/en_speaker_6", None])
    out = model.generate(
        **inputs, seed=[1, 2], max_duration_s=[0.3, None], max_new_tokens=20, min_eos_p=None,
        temperature=0.8, coarse_temperature=None, fine_do_sample=False, num_return_sequences=2,
        return_dict_in_generate=True,
    )  # fmt: skip
    assert out.seeds == [1, 2, 2, 3]
    assert out.semantic_lengths.tolist() == [15, 15, 20, 20]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "needs input_ids"),
        ({"input_ids": []}, ValueError, r"shape \(1, 0\)"),
        ({"input_ids": [[]]}, ValueError, r"shape \(1, 0\)"),
        ({"input_ids": [[0, 0, 0]]}, ValueError, "Item 0 has no text"),
        ({"input_ids": [[1, 2], [3]]}, ValueError, "rectangular array of integers"),
        ({"input_ids": [[0.5, 1.5]]}, ValueError, "input_ids must be integers, not torch.float32"),
        ({"input_ids": [["a", "b"]]}, ValueError, "rectangular array of integers"),
        ({"input_ids": torch.zeros(1, 2, 3, dtype=torch.long)}, ValueError, r"shape \(1, 2, 3\)"),
        ({"input_ids": [[5, -3]]}, ValueError, "text id -3; this checkpoint has ids 0..119551"),
        ({"input_ids": [[5, 119_552]]}, ValueError, "text id 119552"),
        ({"attention_mask": [[1, 1, 1]]}, ValueError, r"attention_mask has shape \(1, 3\), input_ids have \(2, 5\)"),
        ({"attention_mask": torch.full((2, 5), 2)}, ValueError, "0 .padding. and 1 .text. alone"),
        ({"attention_mask": torch.zeros(2, 5)}, ValueError, "attention_mask must be integers"),
        ({"attention_mask": torch.tensor([[1] * 5, [0] * 5])}, ValueError, "Item 1 has no text"),
        ({"history_prompt": [None]}, ValueError, "1 voices were given for 2 texts"),
        ({"history_prompt": 5}, TypeError, "voice cannot be a int"),
        ({"history_prompt": "nowhere.npz"}, FileNotFoundError, "nowhere.npz"),
        ({"history_prompt": {"semantic_prompt": [1]}}, ValueError, "coarse_prompt"),
        ({"max_duration_s": [1.0]}, ValueError, "max_duration_s has 1 values for 2 items"),
        ({"max_duration_s": [1.0, 0]}, ValueError, "max_duration_s=0 must be a positive number"),
        ({"max_duration_s": "long"}, ValueError, "max_duration_s='long'"),
        ({"max_new_tokens": 769}, ValueError, "max_new_tokens=769 exceeds the 768 tokens that fit"),
        ({"seed": [1, 2, 3]}, ValueError, "seed has 3 values for 2 items"),
        ({"num_return_sequences": 0}, ValueError, "num_return_sequences=0"),
        ({"num_return_sequences": 1.5}, ValueError, "num_return_sequences=1.5"),
        ({"logits_processor": "x"}, TypeError, "logits_processor must be callables"),
        ({"coarse_sliding_window_len": 400}, ValueError, "coarse window of 1286 positions.*block_size=1024"),
        ({"fine_n_fine_codebooks": 9}, ValueError, "n_fine_codebooks=9 exceeds"),
        ({"fine_max_fine_input_length": 2048}, ValueError, "max_fine_input_length=2048 exceeds block_size=1024"),
        ({"generation_config": 7}, TypeError, "generation_config must be"),
        ({"semantic_semantic_vocab_size": 20_000, "semantic_eos_token_id": 20_000}, ValueError, "output_vocab_size"),
    ],
)
def test_bad_input(model, arguments, error, message):
    arguments = (SHORT if "input_ids" in arguments or not arguments else SHORT | {"input_ids": IDS}) | arguments
    with pytest.raises(error, match=message):
        model.generate(**arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.coarse_acoustics.generate(torch.tensor([[10_500, 3]])), "Item 0 of semantic_output holds ids"),
        (lambda m: m.coarse_acoustics.generate(torch.tensor([0.5])), "Token ids must be integers"),
        (lambda m: m.fine_acoustics.generate(torch.tensor([[10_000, 11_024, 10_000]])), "a multiple of 2, one id"),
        (lambda m: m.fine_acoustics.generate(torch.tensor([[11_024, 10_000]])), "does not alternate"),
        (lambda m: m.generate([[5, 6]], max_new_tokens=1, return_dict_in_generate=True).voice(0), "frames|Bark needs"),
    ],
)
def test_bad_input_of_sub_models(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)
