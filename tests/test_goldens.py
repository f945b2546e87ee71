"""Suno's own outputs: the project's converter, then every stage and every case, alone and as one batch."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from tiny import SHARED, needs_goldens, needs_voices

from bark_hf import BarkModel, VoicePrompt
from bark_hf.conversion import convert
from bark_hf.generation.fine import generate_fine

pytestmark = [needs_goldens, needs_voices]

DURATIONS = {"plain": 2.0, "voice0": 3.0, "voice1": 4.0, "long": 7.9}  # max_gen_duration_s of each case
GREEDY = {"top_k": 1, "fine_temperature": None, "min_eos_p": None}  # Suno's settings for these files


@pytest.fixture(scope="module")
def goldens():
    return np.load(SHARED / "goldens" / "suno_outputs.npz")


@pytest.fixture(scope="module")
def suno_model(tmp_path_factory):
    """Suno's tiny `.pt` files and Meta's EnCodec through this project's converter."""
    folder = tmp_path_factory.mktemp("suno")
    spec = importlib.util.spec_from_file_location("tiny_suno", SHARED / "goldens" / "tiny_suno.py")
    tiny_suno = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny_suno)
    tiny_suno.write(folder / "original")
    convert(folder / "original", folder / "original" / "encodec_24khz.th", folder / "converted")
    return BarkModel.from_pretrained(folder / "converted")


def voice_of(goldens, case: str) -> VoicePrompt | None:
    key = f"{case}.voice"
    return VoicePrompt.load(SHARED / "data" / "suno_voices" / f"{goldens[key]}.npz") if key in goldens.files else None


def assert_equals_suno(out, index: int, goldens, case: str) -> None:
    n_semantic, n_frames, n_samples = (
        int(lengths[index]) for lengths in (out.semantic_lengths, out.code_lengths, out.audio_lengths)
    )
    np.testing.assert_array_equal(out.semantic_tokens[index, :n_semantic], goldens[f"{case}.semantic"])
    np.testing.assert_array_equal(out.coarse_codes[index, :, :n_frames], goldens[f"{case}.coarse"])
    np.testing.assert_array_equal(out.fine_codes[index, :, :n_frames], goldens[f"{case}.fine"])
    expected = goldens[f"{case}.audio"]
    assert n_samples == expected.shape[0] == 320 * n_frames
    assert np.abs(out.audio[index, :n_samples].numpy() - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.filterwarnings("ignore:The text of item")
@pytest.mark.parametrize("case", DURATIONS)
def test_case_equals_suno(suno_model, goldens, case):
    out = suno_model.generate(
        torch.tensor(goldens[f"{case}.text_ids"])[None],
        history_prompt=voice_of(goldens, case),
        max_duration_s=DURATIONS[case],
        return_dict_in_generate=True,
        **GREEDY,
    )
    assert_equals_suno(out, 0, goldens, case)


def test_all_cases_in_one_batch_equal_sunos_single_results(suno_model, goldens):
    """Four texts of 12 to 300 ids, three voices and none, four durations, at once."""
    texts = [goldens[f"{case}.text_ids"] for case in DURATIONS]
    ids = np.zeros((4, 300), np.int64)
    mask = np.zeros((4, 300), np.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    with pytest.warns(UserWarning, match=r"item 3 has 300 tokens; Bark reads 256, so the last 44 \(14.7 %\)"):
        out = suno_model.generate(
            torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask),
            history_prompt=[voice_of(goldens, case) for case in DURATIONS],
            max_duration_s=list(DURATIONS.values()),
            return_dict_in_generate=True,
            **GREEDY,
        )
    for index, case in enumerate(DURATIONS):
        assert_equals_suno(out, index, goldens, case)
    ends = out.audio_lengths
    assert all(bool((out.audio[i, ends[i] :] == 0).all()) for i in range(4))


@pytest.mark.parametrize("together", [False, True])
def test_fine_stage_over_several_windows(suno_model, goldens, together):
    cases = ["fine_long", "fine_long_voice"]
    config = suno_model.generation_config.with_keywords(**GREEDY)
    coarse = [torch.tensor(goldens[f"{case}.coarse"]).long() for case in cases]
    voices = [voice_of(goldens, case) for case in cases]
    with torch.no_grad():
        if together:
            fine = generate_fine(suno_model.fine_acoustics, config, coarse, voices, [0, 0])
        else:
            fine = [
                generate_fine(suno_model.fine_acoustics, config, [codes], [voice], [0])[0]
                for codes, voice in zip(coarse, voices, strict=True)
            ]
    for codes, case in zip(fine, cases, strict=True):
        np.testing.assert_array_equal(codes, goldens[f"{case}.fine"])


@torch.no_grad()
def test_logits_equal_suno(suno_model, goldens):
    semantic, stage = suno_model.semantic, suno_model.generation_config.semantic_config
    text = torch.full((1, 256), stage.text_pad_token)
    ids = torch.tensor(goldens["plain.text_ids"])
    text[0, : len(ids)] = ids + stage.text_encoding_offset
    history = torch.full((1, 256), stage.semantic_pad_token)
    said = torch.tensor(goldens["plain.semantic"][:20]).long()
    behind = torch.cat([torch.tensor([stage.semantic_infer_token]), said])[None]
    embeds = semantic.input_embeds_layer(text) + semantic.input_embeds_layer(history)
    logits = semantic(inputs_embeds=torch.cat([embeds, semantic.input_embeds_layer(behind)], 1)).logits[0, -1]
    np.testing.assert_allclose(logits, goldens["logits.semantic"], atol=1e-4)

    coarse_input = torch.tensor(goldens["logits.coarse_input"]).long()
    logits = suno_model.coarse_acoustics(coarse_input).logits[0, -1]
    np.testing.assert_allclose(logits, goldens["logits.coarse"], atol=1e-4)

    fine_input = torch.tensor(goldens["logits.fine_input"]).long()
    for k in range(2, 8):
        logits = suno_model.fine_acoustics(k, fine_input).logits[0, 0:200:40]
        np.testing.assert_allclose(logits, goldens[f"logits.fine{k}"], atol=1e-4)
