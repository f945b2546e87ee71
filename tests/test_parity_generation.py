"""Generation as Suno does it, where Transformers 5.23 does not. Each test is one row of docs/parity.md.

Scripted networks give exact logits, so that each rule can be seen at work; the last tests compare whole stages with
Suno's rules written out in `fakes`.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from fakes import (
    COARSE_SIZE,
    EOS,
    FINE_SIZE,
    SEMANTIC_SIZE,
    coarse_ids,
    embedded_ids,
    failure,
    favour,
    fine_codes,
    flattened,
    on_transformers,
    probabilities,
    recorded,
    scripted,
    scripted_fine,
    semantic_tokens,
    suno_coarse,
    suno_fine,
    suno_prompt,
    suno_semantic,
    suno_token_count,
    tensors,
    text_batch,
    transformers_bark,
)
from tiny import tiny_voice

from bark_hf import BarkGenerationConfig, VoicePrompt


@pytest.fixture(scope="module")
def theirs(checkpoint):
    """Transformers' model with the weights of `model`."""
    return transformers_bark(checkpoint)


# --- temperature


def test_fine_temperature_one_samples(model, theirs):
    """Transformers reads a fine temperature of 1.0 as "greedy"; Suno's only greedy value is None, and 1.0 samples from
    the network's own distribution."""

    def rarer_codes(model) -> float:
        with scripted_fine(model.fine_acoustics, probabilities(FINE_SIZE, {5: 0.6, 9: 0.4})):
            codes = fine_codes(model, flattened(400), temperature=1.0)[0, 2:]
        assert set(codes.flatten().tolist()) <= {5, 9}
        return (codes == 9).float().mean().item()

    assert rarer_codes(model) == pytest.approx(0.4, abs=0.05)  # 2,400 draws: five standard deviations
    on_transformers(lambda: rarer_codes(theirs) == 0.0)


def test_fine_greedy_when_told(model, theirs):
    """`do_sample=False` reached Transformers' fine stage and was dropped there, so "greedy" generation rolled dice for
    six of the eight codebooks."""

    def codes_drawn(model) -> set[int]:
        with scripted_fine(model.fine_acoustics, probabilities(FINE_SIZE, {5: 0.6, 9: 0.4})):
            codes = fine_codes(model, flattened(60), {"do_sample": False, "temperature": 0.5})
        return set(codes[0, 2:].flatten().tolist())

    assert codes_drawn(model) == {5}
    on_transformers(lambda: codes_drawn(theirs) == {5, 9})


@pytest.mark.parametrize("stage", ["semantic", "coarse", "fine"])
@pytest.mark.parametrize("temperature", [0, None])
def test_temperature_zero_is_greedy(model, theirs, stage, temperature):
    """Transformers refuses temperature 0 in two stages and divides by it in the third; everywhere else 0 means "take
    the most probable"."""
    plain = {"semantic_max_new_tokens": 2, "do_sample": True, "semantic_min_eos_p": None, "temperature": 0.7}
    call = plain | {f"{stage}_temperature": temperature}

    def stage_tokens(**options):
        out = model.generate(**text_batch(), return_dict_in_generate=True, **options)
        return {"semantic": out.semantic_tokens, "coarse": out.coarse_codes, "fine": out.fine_codes}[stage]

    assert torch.equal(stage_tokens(seed=1, **call), stage_tokens(seed=1, **plain | {f"{stage}_do_sample": False}))
    on_transformers(lambda: temperature is None or failure(lambda: theirs.generate(**text_batch(), **call)) is not None)


def test_temperature_divides_the_logits(model, theirs):
    """Suno's `softmax(logits / temp)`, by counting: 0.595 becomes 0.75 at a temperature of 0.35."""

    def share(model, n: int) -> float:
        with scripted(model.semantic, lambda step: favour(SEMANTIC_SIZE, {7: 0.35 * math.log(3), 8: 0.0})):
            (tokens,) = semantic_tokens(model, do_sample=True, temperature=0.35, max_new_tokens=n)
        return tokens.count(7) / n

    assert share(model, 768) == pytest.approx(0.75, abs=0.07)  # four standard deviations
    on_transformers(lambda: share(theirs, 200) > 0.62)  # not wrong there


# --- what may be drawn


def test_no_hidden_top_k(model, theirs):
    """Nobody asked for top-k, but Transformers' inherited default of 50 cut the distribution of two stages."""
    slope = {token: -0.001 * token for token in range(200)}

    def kinds_drawn(model) -> int:
        with scripted(model.semantic, lambda n: favour(SEMANTIC_SIZE, slope)):
            (tokens,) = semantic_tokens(model, do_sample=True, temperature=1.0, max_new_tokens=300)
        assert len(tokens) == 300
        return len(set(tokens))

    assert kinds_drawn(model) > 120  # of 200 nearly equal ones; 155 are expected
    on_transformers(lambda: kinds_drawn(theirs) <= 50)


def test_no_hidden_top_k_in_the_coarse_stage(model, theirs):
    """The same default of 50 in the coarse stage."""
    slope = {10_000 + book * 1_024 + code: -0.001 * code for code in range(200) for book in (0, 1)}

    def kinds_drawn(model) -> int:
        with scripted(model.coarse_acoustics, lambda n: favour(COARSE_SIZE, slope)):
            ids = coarse_ids(model, torch.arange(100)[None], do_sample=True, temperature=1.0)
        return len(set(ids[0, ::2].tolist()))

    assert kinds_drawn(model) > 80  # 106 are expected of 150 draws
    on_transformers(lambda: kinds_drawn(theirs) <= 50)


def test_top_p_is_taken_before_the_temperature(model, theirs):
    """Suno keeps top-p of the network's own distribution and then divides by the temperature; Transformers divides
    first, so that the same two numbers keep other tokens."""
    script = probabilities(SEMANTIC_SIZE, {7: 0.5, 8: 0.3, 9: 0.2})

    def shares(model) -> list[float]:
        with scripted(model.semantic, lambda n: script):
            (tokens,) = semantic_tokens(model, do_sample=True, temperature=4.0, top_p=0.75, max_new_tokens=300)
        return [tokens.count(token) / len(tokens) for token in (7, 8, 9)]

    first, second = 0.5**0.25, 0.3**0.25  # 0.5 and 0.8 straddle 0.75, so the third is out
    expected = [first / (first + second), second / (first + second), 0.0]
    assert shares(model) == pytest.approx(expected, abs=0.12)  # four standard deviations
    assert shares(model)[2] == 0.0
    on_transformers(lambda: shares(theirs)[2] > 0.15)  # tempered, the first two have 0.70: a third is needed


def test_top_p_keeps_the_token_behind_an_exact_boundary(model, theirs):
    """Suno removes what comes after a mass *above* top-p, so with exactly 0.5 in front the second token stays;
    Transformers removes it."""
    script = favour(SEMANTIC_SIZE, {7: math.log(2), 8: math.log(1.5), 9: math.log(0.5)})
    assert script.softmax(0)[[7, 8, 9]].tolist() == [0.5, 0.375, 0.125]

    def kinds_drawn(model) -> set[int]:
        with scripted(model.semantic, lambda n: script):
            (tokens,) = semantic_tokens(model, do_sample=True, temperature=1.0, top_p=0.5, max_new_tokens=60)
        return set(tokens)

    assert kinds_drawn(model) == {7, 8}
    on_transformers(lambda: kinds_drawn(theirs) == {7})


def test_both_ends_of_both_codebooks_are_bounded(model, theirs):
    """The coarse vocabulary has 48 ids behind the second codebook; Transformers draws them, and its
    `remainder` then makes code 47 of id 12,095."""
    tempting = {9_999: 3.0, 10_003: 0.0, 11_023: 1.0, 11_024: 2.0, 12_047: 1.0, 12_048: 3.0, 12_095: 4.0}

    def ids(model) -> set[int]:
        with scripted(model.coarse_acoustics, lambda n: favour(COARSE_SIZE, tempting)):
            return set(coarse_ids(model, torch.arange(20)[None], do_sample=False).flatten().tolist())

    assert ids(model) == {11_023, 11_024}  # the best of 10,000..11,023 and of 11,024..12,047
    on_transformers(lambda: ids(theirs) == {11_023, 12_095})


def test_codebooks_keep_their_places(model, theirs):
    """With an odd `sliding_window_len` every second window of Transformers starts with the wrong codebook; Suno's turn
    comes from the step, not from the window, so any length works."""

    def codebooks(model, window: int) -> list[int]:
        ids = coarse_ids(model, torch.arange(20)[None], do_sample=False, sliding_window_len=window)
        return ((ids[0] - 10_000) // 1_024).tolist()

    for window in (1, 2, 6, 7, 59, 60):
        assert codebooks(model, window) == [0, 1] * 30
    on_transformers(lambda: codebooks(theirs, 7) != [0, 1] * 30)


# --- the end


def ends_at(model, n: int, script: torch.Tensor, **options) -> int:
    """Tokens until EOS if the network answers `script` at step n, and certain speech before and after."""
    speech = favour(SEMANTIC_SIZE, {3: 0.0})
    with scripted(model.semantic, lambda step: script if step == n else speech):
        (tokens,) = semantic_tokens(model, max_new_tokens=n + 5, **options)
    return len(tokens)


def test_min_eos_p_of_the_config_arrives(model, theirs):
    """Suno stops at an EOS probability of 0.2. Transformers' `generate` overwrote the configured value with None, so
    speech went on behind the end of the text."""
    speech, ending = favour(SEMANTIC_SIZE, {3: 0.0}), probabilities(SEMANTIC_SIZE, {3: 0.6, EOS: 0.4})

    def samples(model) -> int:
        assert model.generation_config.to_dict()["semantic_config"]["min_eos_p"] == 0.2
        with scripted(model.semantic, lambda n: ending if n == 3 else speech):
            return model.generate(**text_batch(), do_sample=False, semantic_max_new_tokens=10).shape[1]

    assert samples(model) == math.floor(3 * 75 / 49.9) * 320
    on_transformers(lambda: samples(theirs) == math.floor(10 * 75 / 49.9) * 320)


def test_min_eos_p_counts_behind_temperature_and_top_k(model, theirs):
    """Suno compares EOS's probability *after* temperature and top-k. Transformers compares the raw one."""
    sharpened = probabilities(SEMANTIC_SIZE, {3: 0.7, EOS: 0.3})  # at temperature 0.5: 0.84 and 0.16
    many = probabilities(SEMANTIC_SIZE, {3: 0.2, EOS: 0.19} | {10 + n: 0.061 for n in range(10)})  # top-k 2: 0.51, 0.49

    def lengths(model, script: torch.Tensor, **options) -> set[int]:
        n_seeds = 20 if model is theirs else 60
        return {ends_at(model, 4, script, seed=seed, do_sample=True, **options) for seed in range(n_seeds)}

    tempered = {"temperature": 0.5, "min_eos_p": 0.2}
    assert lengths(model, sharpened, **tempered) == {4, 9}  # 0.16 does not reach 0.2: EOS must be drawn
    on_transformers(lambda: lengths(theirs, sharpened, **tempered) == {4})  # 0.3 does
    filtered = {"temperature": 1.0, "top_k": 2, "min_eos_p": 0.4}
    assert lengths(model, many, **filtered) == {4}  # 0.49 reaches 0.4
    on_transformers(lambda: lengths(theirs, many, **filtered) == {4, 9})  # 0.19 does not


def test_min_eos_p_reached_exactly_stops(model, theirs):
    """`>=` in Suno's code, `>` in Transformers'."""
    half = favour(SEMANTIC_SIZE, {3: 0.0, EOS: 0.0})
    assert half.softmax(0)[EOS].item() == 0.5

    def length(model, min_eos_p: float) -> int:
        return ends_at(model, 4, half, do_sample=False, min_eos_p=min_eos_p)

    assert length(model, 0.5) == 4
    assert length(model, 0.500001) == 9
    on_transformers(lambda: length(theirs, 0.5) == 9)


def test_min_eos_p_none_waits_until_eos_is_drawn(model):
    """None switches the early end off; EOS as the most probable token still ends an item."""
    nearly = probabilities(SEMANTIC_SIZE, {3: 0.51, EOS: 0.49})
    assert ends_at(model, 4, nearly, do_sample=False, min_eos_p=None) == 9
    assert ends_at(model, 4, probabilities(SEMANTIC_SIZE, {3: 0.49, EOS: 0.51}), do_sample=False, min_eos_p=None) == 4


def test_ids_between_eos_and_the_vocabulary_s_end_are_never_drawn(model):
    """The semantic head has 10,048 rows; Suno looks at 0..9,999 and 10,000 alone."""
    with scripted(model.semantic, lambda n: favour(SEMANTIC_SIZE, {10_001: 5.0, 10_047: 5.0, 9_999: 0.0, 4: -1.0})):
        assert semantic_tokens(model, do_sample=False, max_new_tokens=4) == [[9_999] * 4]


def test_duration_limit_counts_as_suno_does(model, theirs):
    """Suno's `max_gen_duration_s` stops after the token that exceeds it, summed in float64, so that whole seconds fall
    where rounding puts them. Transformers has no limit in seconds."""

    def length(model, seconds: float, limit: int = 768) -> int:
        with scripted(model.semantic, lambda n: favour(SEMANTIC_SIZE, {3: 0.0})):
            (tokens,) = semantic_tokens(model, do_sample=False, max_duration_s=seconds, max_new_tokens=limit)
        return len(tokens)

    for seconds in (0.01, 1 / 49.9, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 10.02):
        assert length(model, seconds) == suno_token_count(seconds)
    assert length(model, 20.0) == 768
    on_transformers(lambda: length(theirs, 1.0, 60) == 60)


# --- defaults


@pytest.mark.parametrize("stage", ["semantic", "coarse", "fine"])
def test_defaults_sample(model, theirs, stage):
    """Suno samples; a stage config of Transformers that says nothing is greedy, and greedy Bark drones."""

    def kinds_drawn(model) -> int:
        if stage == "fine":
            with scripted_fine(model.fine_acoustics, favour(FINE_SIZE, {5: 0.0, 9: 0.0})):
                return len(set(fine_codes(model, flattened(20))[0, 2:].flatten().tolist()))
        if stage == "semantic":
            with scripted(model.semantic, lambda n: favour(SEMANTIC_SIZE, {5: 0.0, 9: 0.0})):
                return len(set(semantic_tokens(model, max_new_tokens=30)[0]))
        with scripted(model.coarse_acoustics, lambda n: favour(COARSE_SIZE, {10_005: 0.0, 10_009: 0.0, 11_029: 0.0})):
            return len(set(coarse_ids(model, torch.arange(20)[None])[0, ::2].tolist()))

    assert kinds_drawn(model) == 2
    on_transformers(lambda: kinds_drawn(theirs) == 1)


def test_default_numbers_are_suno_s():
    """0.7, 0.7, 0.5, no top-k, no top-p, `min_eos_p` 0.2, 768 tokens, no limit in seconds; also for a file that leaves
    them out."""
    for config in (BarkGenerationConfig(), BarkGenerationConfig.from_dict({"model_type": "bark"})):
        stages = [config.semantic_config, config.coarse_acoustics_config, config.fine_acoustics_config]
        assert [(s.do_sample, s.temperature, s.top_k, s.top_p) for s in stages] == [
            (True, temperature, None, None) for temperature in (0.7, 0.7, 0.5)
        ]
        assert (stages[0].min_eos_p, stages[0].max_new_tokens, stages[0].max_duration_s) == (0.2, 768, None)
        assert (stages[1].max_coarse_history, stages[1].sliding_window_len) == (630, 60)


# --- the prompt


def prompt_ids(model, **inputs) -> list[list[int]]:
    """Text block, history block and infer token that the semantic network sees."""
    with embedded_ids(model.semantic) as seen:
        model.generate(**inputs, do_sample=False, semantic_max_new_tokens=1, semantic_min_eos_p=None)
    text, history = sorted(seen[:2], key=lambda ids: ids[0, 0].item() < 10_048)
    return [text[0].tolist(), history[0].tolist()]


def test_long_text_is_cut_with_a_warning(model, theirs):
    """Suno reads 256 text ids and warns about the rest; Transformers cuts without a word."""
    ids = torch.arange(100, 400)[None]

    def warned(model) -> bool:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            blocks = prompt_ids(model, input_ids=ids, attention_mask=torch.ones_like(ids))
        assert blocks[0] == suno_prompt(ids[0].tolist())[0]
        return any("the last 44 (14.7 %) are lost" in str(warning.message) for warning in caught)

    assert warned(model)
    on_transformers(lambda: not warned(theirs))


def test_missing_attention_mask_leaves_the_prompt_alone(model, theirs):
    """Without a mask Transformers takes BERT's padding zeros for text: they become the id 10,048 instead of the text
    pad 129,595, and the speech changes."""
    inputs = text_batch()
    expected = list(suno_prompt([60, 61, 62, 63, 64]))

    assert prompt_ids(model, **inputs) == prompt_ids(model, input_ids=inputs["input_ids"]) == expected
    on_transformers(lambda: prompt_ids(theirs, **inputs) == expected)  # with the mask they agree
    on_transformers(lambda: prompt_ids(theirs, input_ids=inputs["input_ids"])[0][5:] == [10_048] * 251)


def test_inputs_shorter_than_256_are_padded(model, theirs):
    """Transformers adds a text block of the given length to a history block of 256 and crashes on any other length."""
    short = torch.tensor([[60, 61, 62, 63, 64]])
    assert prompt_ids(model, input_ids=short) == list(suno_prompt(short[0].tolist()))
    on_transformers(lambda: isinstance(failure(lambda: prompt_ids(theirs, input_ids=short)), RuntimeError))


def test_masked_positions_are_no_text_wherever_they_are(model):
    """Suno's text is always in front; padding on the left or in between is taken out, not spoken around."""
    ids, mask = torch.tensor([[0, 0, 60, 0, 61]]), torch.tensor([[0, 0, 1, 0, 1]])
    assert prompt_ids(model, input_ids=ids, attention_mask=mask)[0] == suno_prompt([60, 61])[0]


# --- voices


def invalid_voice(fault: str) -> dict[str, torch.Tensor]:
    voice = tensors(tiny_voice(2.0))
    if fault == "semantic id 10,000":
        voice["semantic_prompt"][-1] = 10_000
    elif fault == "coarse code 1,024":
        voice["coarse_prompt"][0, -1] = 1_024
    elif fault == "fine code 1,055":
        voice["fine_prompt"][3, -1] = 1_055
    else:
        voice["coarse_prompt"] = voice["coarse_prompt"][:, :40]
    return voice


@pytest.mark.parametrize("fault", ["semantic id 10,000", "coarse code 1,024", "fine code 1,055", "lengths differ"])
def test_invalid_voices_are_refused(model, theirs, fault):
    """Suno checks ranges, shapes and that both lengths belong together; Transformers speaks with anything."""

    def refusal(model) -> Exception | None:
        call = {"do_sample": False, "semantic_max_new_tokens": 2, "history_prompt": invalid_voice(fault)}
        return failure(lambda: model.generate(**text_batch(), **call))

    error = refusal(model)
    assert isinstance(error, ValueError)
    assert "_prompt" in str(error)
    assert "Bark needs" in str(error)
    on_transformers(lambda: refusal(theirs) is None)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.uint16, None])
def test_voices_of_any_integer_type(model, theirs, dtype):
    """Suno's code takes a voice in any integer type; Transformers crashes on 16 bits and on NumPy arrays."""
    voice = tiny_voice(2.0)

    def audio(model, prompts) -> torch.Tensor:
        call = {"do_sample": False, "semantic_max_new_tokens": 4, "semantic_min_eos_p": None}
        return model.generate(**text_batch(), history_prompt=prompts, **call)

    prompts = voice.to_dict() if dtype is None else tensors(voice, dtype)
    before = {name: array.copy() if dtype is None else array.clone() for name, array in prompts.items()}
    assert torch.equal(audio(model, prompts), audio(model, voice))
    assert all((prompts[name] == before[name]).all() for name in before)
    if dtype is not torch.int32:
        on_transformers(lambda: isinstance(failure(lambda: audio(theirs, prompts)), (RuntimeError, TypeError)))


# --- whole stages against Suno's rules


@pytest.mark.parametrize("n_voice", [None, 2, 11, 256, 300])
def test_semantic_stage_follows_suno(model, n_voice):
    """Prompt, history (padded when short, its last 256 when long) and the cached loop, against an uncached one."""
    rng = np.random.default_rng(5)
    voice = None
    if n_voice is not None:
        fine = rng.integers(0, 1_024, (8, round(n_voice * 75 / 49.9)))
        voice = VoicePrompt(rng.integers(0, 10_000, n_voice), fine[:2], fine)
    config = {"do_sample": False, "min_eos_p": None, "max_new_tokens": 12}
    ids = torch.tensor([[70, 71, 72]])
    tokens = model.semantic.generate(ids, history_prompt=voice, semantic_generation_config=config)
    assert tokens[0].tolist() == suno_semantic(model.semantic, [70, 71, 72], 12, voice)


# tokens to speak, tokens of the voice, max_coarse_history, sliding_window_len
COARSE_CASES = [
    (1, None, 630, 60),  # one frame
    (2, None, 630, 60),
    (21, None, 630, 60),  # 62 steps: a second window of two
    (45, None, 60, 60),  # the shortest history
    (45, None, 100, 2),
    (60, None, 128, 46),
    (20, 2, 630, 60),  # the shortest voices: 1 and 2 tokens of them count
    (20, 11, 630, 60),
    (20, 101, 630, 60),  # an odd number of tokens
    (21, 301, 630, 60),  # longer than the history
    (25, 301, 60, 20),
]


@pytest.mark.parametrize(("n_tokens", "n_voice", "max_history", "window"), COARSE_CASES)
def test_coarse_stage_follows_suno(model, n_tokens, n_voice, max_history, window):
    """Window positions, history trimming by the ratio and the two dropped ids, for short and long voices and the limits
    of `max_coarse_history`, against an uncached loop."""
    rng = np.random.default_rng(n_tokens)
    semantic = rng.integers(0, 10_000, n_tokens)
    voice = None
    if n_voice is not None:
        fine = rng.integers(0, 1_024, (8, round(n_voice * 75 / 49.9)))
        voice = VoicePrompt(rng.integers(0, 10_000, n_voice), fine[:2], fine)
    ids = coarse_ids(
        model,
        torch.tensor(semantic)[None],
        voice,
        do_sample=False,
        max_coarse_history=max_history,
        sliding_window_len=window,
    )
    codes = ids[0].reshape(-1, 2).T.numpy() - np.array([[10_000], [11_024]])
    assert np.array_equal(codes, suno_coarse(model.coarse_acoustics, semantic, voice, max_history, window))


@pytest.mark.parametrize(
    ("n_frames", "n_history"),
    [(1, 0), (1_024, 0), (1_025, 0), (30, 3), (513, 511), (1_200, 700)],
)
def test_fine_stage_follows_suno(model, n_frames, n_history):
    """Padding, windows and which frames each window rewrites, at and beside the lengths where a window is added."""
    rng = np.random.default_rng(n_frames)
    coarse = rng.integers(0, 1_024, (2, n_frames))
    voice = None
    if n_history:
        fine = rng.integers(0, 1_024, (8, n_history))
        voice = VoicePrompt(rng.integers(0, 10_000, round(n_history / 1.5)), fine[:2], fine)
    ids = torch.tensor((coarse + np.array([[10_000], [11_024]])).ravel("F"))[None]
    codes = fine_codes(model, ids, {"history_prompt": voice, "do_sample": False})
    assert np.array_equal(codes[0].numpy(), suno_fine(model.fine_acoustics, coarse, voice))


# --- where Transformers is right


def test_single_item_equals_transformers(model, theirs):
    """Not wrong, and left as it is: summed text and history embeddings, and all window arithmetic of one item. Greedy
    tokens of one item with a voice are the same in both, in all stages."""
    voice = tiny_voice(5.0)
    call = {"do_sample": False, "fine_temperature": None, "semantic_max_new_tokens": 45, "semantic_min_eos_p": None}
    out = model.generate(**text_batch(), history_prompt=voice, return_dict_in_generate=True, **call)
    assert out.semantic_lengths.tolist() == [45]

    def equal() -> bool:
        bounded = {"coarse_suppress_tokens": list(range(12_048, 12_096))}  # see test_both_ends_of_both_codebooks
        with recorded(theirs) as tokens:
            audio = theirs.generate(**text_batch(), history_prompt=tensors(voice), **call, **bounded)
        codes = tokens["fine_acoustics"]
        return torch.equal(codes.long(), out.fine_codes) and torch.allclose(audio, out.audio, atol=1e-5)

    on_transformers(equal)


def test_text_and_history_embeddings_are_summed(model):
    """Not wrong: the prompt is 257 positions, not 513, because text and history share theirs."""
    voice = tiny_voice(1.0)
    embed = model.semantic.input_embeds_layer.weight
    text, history = (torch.tensor(block) for block in suno_prompt([60, 61, 62, 63, 64], voice))
    expected = (embed[text] + embed[history]).detach()
    seen = []
    forward = model.semantic.forward

    def spy(*args, inputs_embeds=None, **kwargs):
        seen.append(inputs_embeds)
        return forward(*args, inputs_embeds=inputs_embeds, **kwargs)

    model.semantic.forward = spy
    try:
        model.semantic.generate(**text_batch(), history_prompt=voice, max_new_tokens=1)
    finally:
        del model.semantic.forward
    assert torch.equal(seen[0][0], expected)
