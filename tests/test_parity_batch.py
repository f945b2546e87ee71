"""A batch equals its items alone - in tokens and in audio, greedy and sampled. Rows of docs/parity.md.

The oracle is the item alone. Transformers' half runs the same weights and shows what a neighbour did there.
"""

from __future__ import annotations

import random

import pytest
import torch
from fakes import (
    SEMANTIC_SIZE,
    failure,
    flattened,
    on_transformers,
    recorded,
    scripted,
    semantic_tokens,
    speech,
    stage_config,
    tensors,
    text_batch,
    transformers_bark,
)
from tiny import tiny_voice

from bark_hf import BarkModel, BarkOutput

GREEDY = {"do_sample": False, "semantic_min_eos_p": None}
SAMPLED = {"do_sample": True, "semantic_min_eos_p": None}


@pytest.fixture(scope="module")
def theirs(checkpoint):
    """Transformers' model with the weights of `model`."""
    return transformers_bark(checkpoint)


def said(output: BarkOutput, i: int) -> dict[str, torch.Tensor]:
    """Tokens and audio of one item, without padding."""
    n_tokens, n_frames = int(output.semantic_lengths[i]), int(output.code_lengths[i])
    return {
        "semantic": output.semantic_tokens[i, :n_tokens],
        "coarse": output.coarse_codes[i, :, :n_frames],
        "fine": output.fine_codes[i, :, :n_frames],
        "audio": output.waveform(i),
    }


def assert_same(batch: BarkOutput, i: int, alone: BarkOutput, j: int = 0) -> None:
    """Item i of one output is item j of another, to the last bit of the audio."""
    for name, value in said(alone, j).items():
        assert torch.equal(said(batch, i)[name], value), f"item {i}: {name} differs"


def generate(model: BarkModel, **options) -> BarkOutput:
    return model.generate(return_dict_in_generate=True, **options)


def texts(*lengths: int) -> list[dict[str, torch.Tensor]]:
    """Inputs of items alone, each with a text of its own and so many ids."""
    rng = torch.Generator().manual_seed(len(lengths))
    items = []
    for length in lengths:
        item = text_batch(1, length)
        item["input_ids"][0, :length] = torch.randint(5, 119_000, (length,), generator=rng)
        items.append(item)
    return items


def together(items: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.cat([item[name] for item in items]) for name in items[0]}


@pytest.mark.parametrize("options", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_batch_equals_its_items_alone(model, options):
    """Text lengths, voices (one item has none) and durations all differ, and the shortest item stands between the
    others: nothing of that may reach another item."""
    items = texts(3, 40, 256)
    voices = [tiny_voice(2.0, 1), None, tiny_voice(7.0, 2)]
    seconds, seeds = [0.4, 0.1, 0.7], [3, 4, 5]
    batch = generate(model, **together(items), history_prompt=voices, max_duration_s=seconds, seed=seeds, **options)
    assert len(set(batch.audio_lengths.tolist())) == 3
    for i, item in enumerate(items):
        alone = generate(model, **item, history_prompt=voices[i], max_duration_s=seconds[i], seed=seeds[i], **options)
        assert_same(batch, i, alone)


@pytest.mark.parametrize("options", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_eight_random_items_equal_themselves_alone(model, options):
    """The same with eight items drawn at random; items leave the batch at different steps of both causal stages."""
    rng = random.Random(8)
    items = texts(*(rng.randint(1, 256) for _ in range(8)))
    voices = [tiny_voice(rng.uniform(0.5, 8.0), i) if rng.random() < 0.6 else None for i in range(8)]
    seconds = [rng.uniform(0.02, 0.35) for _ in range(8)]
    seeds = [rng.randrange(2**40) for _ in range(8)]
    batch = generate(model, **together(items), history_prompt=voices, max_duration_s=seconds, seed=seeds, **options)
    assert any(voices)
    assert None in voices
    for i, item in enumerate(items):
        alone = generate(model, **item, history_prompt=voices[i], max_duration_s=seconds[i], seed=seeds[i], **options)
        assert_same(batch, i, alone)


def test_short_item_is_not_corrupted_by_a_longer_neighbour(model, theirs):
    """In Transformers the short item's coarse stream went on behind its end, and the fine network, which looks both
    ways, read that garbage: most codes of the short item changed."""
    inputs, options = text_batch(2), {"do_sample": False, "semantic_max_new_tokens": 60}
    short = {name: value[:1] for name, value in inputs.items()}
    batch_script, alone_script = speech([20, 50]), speech([20])
    n_frames = int(20 * 75 / 49.9)

    with scripted(model.semantic, batch_script):
        batch = generate(model, **inputs, **options)
    with scripted(model.semantic, alone_script):
        alone = generate(model, **short, **options)
    assert batch.code_lengths.tolist() == [n_frames, int(50 * 75 / 49.9)]
    assert_same(batch, 0, alone)

    def corrupted() -> bool:
        greedy = {**options, "fine_temperature": None}
        with scripted(theirs.semantic, batch_script), recorded(theirs) as in_batch:
            theirs.generate(**inputs, **greedy)
        with scripted(theirs.semantic, alone_script), recorded(theirs) as by_itself:
            theirs.generate(**short, **greedy)
        codes, expected = in_batch["fine_acoustics"][0, 2:, :n_frames], by_itself["fine_acoustics"][0, 2:]
        return (codes == expected).float().mean() < 0.9

    on_transformers(corrupted)


def test_silence_behind_each_item_s_end(model, theirs):
    """Without `return_output_lengths` Transformers decodes the short item's padding too: it ends in noise."""
    inputs, options = text_batch(2), {"do_sample": False, "semantic_max_new_tokens": 60}
    end = int(20 * 75 / 49.9) * 320

    def tail(model) -> torch.Tensor:
        with scripted(model.semantic, speech([20, 50])):
            audio = model.generate(**inputs, **options)
        assert audio.shape == (2, int(50 * 75 / 49.9) * 320)
        return audio[0, end:]

    assert tail(model).abs().max() == 0.0
    on_transformers(lambda: tail(theirs).abs().max() > 0.01)

    with scripted(model.semantic, speech([20, 50])):
        _, lengths = model.generate(**inputs, **options, return_output_lengths=True)
    assert lengths.tolist() == [end, int(50 * 75 / 49.9) * 320]


def test_item_that_ends_at_once_is_empty(model, theirs):
    """If EOS is an item's first token, Transformers hands its codec a tensor of length 0: the batch is
    lost."""
    inputs, options = text_batch(3), {"do_sample": False, "semantic_max_new_tokens": 12}

    def lengths(model) -> list[int]:
        with scripted(model.semantic, speech([0, 10, 0])):
            _, lengths = model.generate(**inputs, **options, return_output_lengths=True)
        return [int(length) for length in lengths]

    assert lengths(model) == [0, int(10 * 75 / 49.9) * 320, 0]
    on_transformers(lambda: isinstance(failure(lambda: lengths(theirs)), RuntimeError))

    with scripted(model.semantic, speech([0, 10, 0])):
        batch = generate(model, **inputs, **options)
    with scripted(model.semantic, speech([10])):
        alone = generate(model, **{name: value[1:2] for name, value in inputs.items()}, **options)
    assert_same(batch, 1, alone)


def test_nothing_but_empty_items(model, theirs):
    """One item, or all, may have nothing to say: the audio is empty, in the right shapes."""

    def audio(model, n_items: int) -> torch.Tensor:
        with scripted(model.semantic, speech([0] * n_items)):
            return model.generate(**text_batch(n_items), do_sample=False, semantic_max_new_tokens=3)

    assert audio(model, 1).shape == (1, 0)
    assert audio(model, 3).shape == (3, 0)
    on_transformers(lambda: failure(lambda: audio(theirs, 1)) is not None)


def test_one_voice_per_item(model, theirs):
    """Transformers takes one voice for the whole batch; a list, with None for an item without a voice, is an error."""
    voices, options = [tiny_voice(2.0, 1), None], {**GREEDY, "semantic_max_new_tokens": 12}
    inputs = text_batch(2)
    batch = generate(model, **inputs, history_prompt=voices, **options)
    everywhere = generate(model, **inputs, history_prompt=voices[0], **options)
    nowhere = generate(model, **inputs, **options)
    assert_same(batch, 0, everywhere, 0)
    assert_same(batch, 1, nowhere, 1)
    assert not torch.equal(batch.coarse_codes[0], nowhere.coarse_codes[0])  # a voice does change something here
    prompts = [tensors(voices[0]), None]
    on_transformers(
        lambda: isinstance(failure(lambda: theirs.generate(**inputs, history_prompt=prompts, **options)), TypeError)
    )


def test_same_seed_alone_and_in_a_batch(model, theirs):
    """Transformers draws all items' tokens from one global generator, so a seed means something else in each batch."""
    inputs, n = text_batch(3), 10
    last = {name: value[2:] for name, value in inputs.items()}

    batch = generate(model, **inputs, **SAMPLED, semantic_max_new_tokens=n, seed=[7, 8, 9])
    assert_same(batch, 2, generate(model, **last, **SAMPLED, semantic_max_new_tokens=n, seed=9))
    everywhere_9 = generate(model, **inputs, **SAMPLED, semantic_max_new_tokens=n, seed=9)
    assert_same(batch, 2, everywhere_9, 2)
    assert not torch.equal(batch.semantic_tokens[0], everywhere_9.semantic_tokens[0])  # the seed does matter

    def differs() -> bool:
        config, found = stage_config(theirs, "Semantic", do_sample=True, max_new_tokens=n), []
        for items in (inputs, last):
            torch.manual_seed(9)
            found.append(theirs.semantic.generate(**items, semantic_generation_config=config)[-1, :n])
        return not torch.equal(*found)

    on_transformers(differs)


def test_seed_given_in_the_output_repeats_the_item(model):
    """Without a seed torch's global one governs, and the output says which seed each item had."""
    inputs, options = text_batch(2), {**SAMPLED, "semantic_max_new_tokens": 8}
    torch.manual_seed(11)
    first = generate(model, **inputs, **options)
    torch.manual_seed(11)
    assert_same(first, 1, generate(model, **inputs, **options), 1)
    alone = generate(model, **{name: value[1:] for name, value in inputs.items()}, **options, seed=first.seeds[1])
    assert_same(first, 1, alone)
    assert not torch.equal(first.semantic_tokens, generate(model, **inputs, **options).semantic_tokens)


def test_seed_reaches_every_stage(model):
    """Three equal items with the seeds 1, 2, 1: in each stage alone, the first equals the third and not the second."""
    sampled = {"do_sample": True, "temperature": 1.0, "seed": [1, 2, 1]}
    ids = {name: value.repeat(3, 1) for name, value in text_batch().items()}
    results = [
        model.semantic.generate(**ids, **sampled, max_new_tokens=4),
        model.coarse_acoustics.generate(torch.arange(5).repeat(3, 1), **sampled),
        model.fine_acoustics.generate(flattened(5).repeat(3, 1), **sampled),
    ]
    for first, second, third in results:
        assert torch.equal(first, third)
        assert not torch.equal(first, second)


@pytest.mark.parametrize("seed", [50, [50, 300]])
def test_num_return_sequences(model, theirs, seed):
    """Takes of an item stand in a row; take r is the item alone with its seed + r. Transformers crashes between its
    stages."""
    items, voices = texts(4, 9), [None, tiny_voice(1.0, 3)]
    options = {**SAMPLED, "semantic_max_new_tokens": 6}
    batch = generate(model, **together(items), history_prompt=voices, num_return_sequences=2, seed=seed, **options)
    assert batch.audio.shape[0] == 4
    for i, item in enumerate(items):
        for take in range(2):
            own = (seed[i] if isinstance(seed, list) else seed) + take
            assert batch.seeds[2 * i + take] == own
            assert_same(batch, 2 * i + take, generate(model, **item, history_prompt=voices[i], seed=own, **options))
    assert not torch.equal(said(batch, 0)["semantic"], said(batch, 1)["semantic"])
    call = {**text_batch(2), **options, "num_return_sequences": 2}
    on_transformers(lambda: isinstance(failure(lambda: theirs.generate(**call)), RuntimeError))


def test_order_of_the_items_does_not_matter(model):
    """Any permutation of a batch gives the permuted results."""
    items, voices, seeds = texts(5, 60, 7), [None, tiny_voice(3.0, 4), tiny_voice(1.0, 5)], [1, 2, 3]
    seconds = [0.4, 0.1, 0.25]
    results = []
    for order in ([0, 1, 2], [2, 0, 1]):
        options = {
            "history_prompt": [voices[i] for i in order],
            "seed": [seeds[i] for i in order],
            "max_duration_s": [seconds[i] for i in order],
        }
        results.append((order, generate(model, **together([items[i] for i in order]), **options, **SAMPLED)))
    (_, first), (order, second) = results
    for place, i in enumerate(order):
        assert_same(second, place, first, i)


def test_rounding_does_not_change_what_is_drawn(model):
    """A matrix product rounds differently in a batch than alone. Logits that differ in the fourth decimal must not draw
    other tokens more often than such a difference deserves, or else no sampled batch equals its items for long."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(SEMANTIC_SIZE, generator=rng)
    noise = 1e-4 * torch.randn(120, SEMANTIC_SIZE, generator=rng)

    def drawn(script) -> torch.Tensor:
        with scripted(model.semantic, script):
            return torch.tensor(semantic_tokens(model, 30, max_new_tokens=120, temperature=1.0, min_eos_p=None))

    exact, rounded = drawn(lambda n: logits), drawn(lambda n: logits + noise[n])
    assert exact.shape == (30, 120)
    assert int((exact != rounded).sum()) <= 4  # of 3,600; the distributions differ by 4e-5
