"""Training examples: what `generate` produced, taught back through them, has the logits that generation had.

The numbers are small and none is Bark's, so windows slide within a few dozen steps and no default can hide.
"""

from __future__ import annotations

import copy
import itertools
import warnings

import numpy as np
import pytest
import torch
from datasets import Dataset

from bark_hf import BarkConfig, BarkFineModel, BarkGenerationConfig, BarkSemanticModel, VoicePrompt
from bark_hf.generation.coarse import generate_coarse
from bark_hf.generation.fine import generate_fine
from bark_hf.generation.inputs import voice_rules
from bark_hf.generation.semantic import generate_semantic
from bark_hf.generation.steps import CachedSteps
from bark_hf.modeling_bark import BarkCoarseModel
from bark_hf.training.dataset import FEATURES
from bark_hf.training.examples import CoarseExamples, FineExamples, SemanticExamples

CONFIG = BarkGenerationConfig(
    semantic_config={
        "semantic_vocab_size": 20,
        "eos_token_id": 21,
        "semantic_pad_token": 22,
        "text_encoding_offset": 24,
        "text_pad_token": 60,
        "semantic_infer_token": 61,
        "max_input_semantic_length": 12,
        "max_new_tokens": 40,
        "semantic_rate_hz": 50,
        "min_eos_p": None,
    },
    coarse_acoustics_config={
        "coarse_semantic_pad_token": 53,
        "coarse_infer_token": 54,
        "max_coarse_input_length": 32,
        "max_coarse_history": 60,
        "sliding_window_len": 18,
    },
    fine_acoustics_config={"n_fine_codebooks": 5, "max_fine_input_length": 24, "max_fine_history_length": 12},
    codebook_size=16,
)
GREEDY = CONFIG.with_keywords(do_sample=False)
SIZE = {"num_layers": 2, "num_heads": 2, "hidden_size": 32, "bias": False, "initializer_range": 0.2, "dropout": 0.0}
TEXT = "say it so"


def spell(text: str) -> list[int]:
    """A tokenizer: letters are 1..26, anything else 0."""
    return [max(0, ord(sign) - 96) for sign in text]


def clip(n_semantic: int = 30, seed: int = 0, **values: object) -> dict:
    """A row of random tokens; `values` replaces columns."""
    rng = np.random.default_rng(seed)
    n_frames = int(n_semantic * 1.5)
    row = {
        "id": f"clip-{seed}",
        "text": TEXT,
        "speaker": "ann",
        "language": "en",
        "seconds": n_semantic / 50,
        "semantic": rng.integers(0, 20, n_semantic),
        "codes": rng.integers(0, 16, (5, n_frames)),
    }
    return row | values


def data(*rows: dict) -> Dataset:
    return Dataset.from_list(
        [row | {"semantic": list(row["semantic"]), "codes": [list(codes) for codes in row["codes"]]} for row in rows],
        features=FEATURES,
    )


def voice_of(row: dict) -> VoicePrompt:
    codes = np.asarray(row["codes"])
    return VoicePrompt(np.asarray(row["semantic"]), codes[:2], codes, rules=voice_rules(CONFIG))


@pytest.fixture(scope="module")
def networks():
    """Stage name -> network in evaluation mode."""
    torch.manual_seed(0)
    vocabularies = {"input_vocab_size": 64, "output_vocab_size": 62, "block_size": 12 + 40}
    coarse = {"input_vocab_size": 56, "output_vocab_size": 56, "block_size": 32 + 1 + 60 + 18 - 1}
    fine = {"input_vocab_size": 17, "output_vocab_size": 17, "block_size": 24, "n_codes_total": 5, "n_codes_given": 1}
    config = BarkConfig(
        semantic_config=SIZE | vocabularies, coarse_acoustics_config=SIZE | coarse, fine_acoustics_config=SIZE | fine
    )
    return {
        "semantic": BarkSemanticModel(config.semantic_config).eval(),
        "coarse": BarkCoarseModel(config.coarse_acoustics_config).eval(),
        "fine": BarkFineModel(config.fine_acoustics_config).eval(),
    }


@pytest.fixture
def steps(networks, monkeypatch):
    """Logits of every step of one generated item, full width: float [steps, V], after generation has run."""
    recorded: list[torch.Tensor] = []

    class RecordedSteps(CachedSteps):
        def step(self, tokens, head_rows):
            logits = super().step(tokens, None)
            recorded.append(logits[0])
            return logits if head_rows is None else logits[:, head_rows[0] : head_rows[1]]

    for name in ("semantic", "coarse"):
        monkeypatch.setattr(networks[name], "steps_factory", RecordedSteps, raising=False)
    return recorded


@pytest.fixture(params=["greedy", "sampled"])
def config(request):
    return GREEDY if request.param == "greedy" else CONFIG


@pytest.fixture(params=[None, 30, 8], ids=["no voice", "long voice", "short voice"])
def voice_row(request):
    return None if request.param is None else clip(request.param, seed=99)


def semantic_examples(dataset: Dataset, **options) -> SemanticExamples:
    return SemanticExamples(dataset, CONFIG, tokenizer=spell, **options)


MAKE = {
    "semantic": semantic_examples,
    "coarse": lambda dataset, **options: CoarseExamples(dataset, CONFIG, **options),
    "fine": lambda dataset, **options: FineExamples(dataset, CONFIG, **options),
}


def labelled_logits(network, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits that the labels of a one-item batch are compared with, [n, V], and these labels [n]."""
    with torch.no_grad():
        logits = network(**batch).logits[0]
    labels = batch["labels"][0]
    if "codebook_idx" not in batch:
        logits, labels = logits[:-1], labels[1:]  # a causal network's label is one position on
    return logits[labels != -100], labels[labels != -100]


class FixedWindow(CoarseExamples):
    """The window behind `done` ids, where the draw does not matter."""

    done = 0

    def _draw_window(self, item, n_ids, rng):
        return self.done


# --- what generate produced


@torch.no_grad()
def test_semantic_example_of_generated_tokens_has_generations_logits(networks, steps, config, voice_row):
    voices = [None if voice_row is None else voice_of(voice_row)]
    text = [torch.tensor(spell(TEXT))]
    tokens = generate_semantic(networks["semantic"], config.semantic_config, text, voices, [3], [None])[0][:39]
    assert len(tokens) > 5
    rows = [clip(len(tokens), semantic=tokens.tolist()), *([voice_row] if voice_row else [])]
    examples = semantic_examples(data(*rows), history_probability=1.0, full_layout=True)
    logits, labels = labelled_logits(networks["semantic"], examples.collate([examples[0]]))
    assert labels.tolist() == [*tokens.tolist(), 21]
    torch.testing.assert_close(logits, torch.stack(steps[: len(labels)]), atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("n_semantic", [60, 14])
def test_coarse_examples_of_generated_codes_have_generations_logits(networks, steps, config, voice_row, n_semantic):
    """Every window of a clip: 60 tokens make 180 ids in windows of 18 that see 60 behind them; 14 never slide."""
    row = clip(n_semantic)
    voices = [None if voice_row is None else voice_of(voice_row)]
    (codes,) = generate_coarse(networks["coarse"], config, [torch.tensor(row["semantic"])], voices, [5])
    row["codes"][:2] = codes
    examples = FixedWindow(
        data(row, *([voice_row] if voice_row else [])),
        CONFIG,
        history_probability=1.0,
        full_layout=True,
        label_history=False,
    )
    flat = [20 + 16 * k + int(codes[k, t]) for t in range(codes.shape[1]) for k in (0, 1)]
    for done in range(0, len(flat), 18):
        examples.done = done
        logits, labels = labelled_logits(networks["coarse"], examples.collate([examples[0]]))
        assert labels.tolist() == flat[done : done + 18]
        torch.testing.assert_close(logits, torch.stack(steps[done : done + len(labels)]), atol=1e-5, rtol=0)


@torch.no_grad()
def test_coarse_clip_whose_window_never_moves_is_one_example(networks, steps):
    row = clip(14)
    (codes,) = generate_coarse(networks["coarse"], CONFIG, [torch.tensor(row["semantic"])], [None], [5])
    row["codes"][:2] = codes
    examples = CoarseExamples(data(row), CONFIG, full_layout=True)
    for epoch in range(4):
        examples.set_epoch(epoch)
        logits, labels = labelled_logits(networks["coarse"], examples.collate([examples[0]]))
        assert len(labels) == 42  # all of 21 frames
        torch.testing.assert_close(logits, torch.stack(steps), atol=1e-5, rtol=0)


@pytest.fixture
def passes(networks):
    """(codebook, input_ids [N, 5], logits [N, V]) of each pass of the fine network."""
    recorded = []

    def hook(module, args, kwargs, output):
        if args:  # generation's call; batches are keywords alone
            recorded.append((args[0], kwargs["input_ids"][0].clone(), output.logits[0]))

    handle = networks["fine"].register_forward_hook(hook, with_kwargs=True)
    yield recorded
    handle.remove()


def fine_batches(examples: FineExamples) -> dict[tuple[int, int, int], dict]:
    """Every (fill, new, codebook) that the draws of clip 0 reach -> its batch."""
    found = {}
    for epoch in range(150):
        examples.set_epoch(epoch)
        example = examples[0]
        key = (int(example.codes.sum()), example.fill, example.codebook)
        found.setdefault(key, (example, examples.collate([example])))
    return found


@torch.no_grad()
def generated_fine(networks, passes, config, row, voice) -> list:
    """Fill the row's codes by generation; returns its passes."""
    coarse = [torch.tensor(row["codes"][:2])]
    row["codes"][:] = generate_fine(networks["fine"], config, coarse, [voice], [7])[0]
    return list(passes)


def test_fine_examples_of_generated_codes_have_generations_logits(networks, passes, config):
    """A full history and a whole number of hops: windows that share no new frame, so nothing is written twice."""
    row, voice = clip(24), clip(30, seed=99)
    generated = generated_fine(networks, passes, config, row, voice_of(voice))
    assert len(generated) == 3 * 3  # windows x codebooks
    examples = FineExamples(data(row, voice), CONFIG, history_probability=1.0, full_layout=True)
    batches = fine_batches(examples)
    assert len(batches) == 9
    for example, batch in batches.values():
        assert example.fill == example.new == 12
        matches = [p for p in generated if p[0] == batch["codebook_idx"] and torch.equal(p[1], batch["input_ids"][0])]
        assert len(matches) == 1
        logits, labels = labelled_logits(networks["fine"], batch)
        assert len(labels) == 12
        torch.testing.assert_close(logits, matches[0][2][12:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("voice_row", [None, clip(6, seed=99)], ids=["no voice", "short voice"])
def test_fine_window_with_padding(networks, passes, config, voice_row):
    """Padding is unknown in the coarse codebooks; in those already filled it holds codes, because generation fills
    whole windows. Which codes is the network's accident: with generation's put in, the logits are generation's."""
    row = clip(8)  # 12 frames of 24
    generated = generated_fine(networks, passes, config, row, voice_row and voice_of(voice_row))
    examples = FineExamples(
        data(row, *([voice_row] if voice_row else [])), CONFIG, history_probability=1.0, full_layout=True
    )
    n_frames = 12 + (9 if voice_row else 0)
    batches = fine_batches(examples)
    assert {batch["codebook_idx"] for _, batch in batches.values()} == {2, 3, 4}
    for _, batch in batches.values():
        k, ids = batch["codebook_idx"], batch["input_ids"][0]
        ((_, fed, expected),) = [p for p in generated if p[0] == k]
        assert torch.equal(ids[:n_frames], fed[:n_frames])
        assert torch.equal(ids == 16, fed == 16)  # the same places are unknown
        batch["input_ids"] = fed[None]
        logits, labels = labelled_logits(networks["fine"], batch)
        assert labels.tolist() == row["codes"][k].tolist()
        torch.testing.assert_close(logits, expected[n_frames - 12 : n_frames], atol=1e-5, rtol=0)


def test_fine_windows_that_overlap(networks, passes):
    """The last window of 40 frames writes frames 24..35 again and sees in them what the window before has written:
    the example has the true codes there, labels them, and leaves the label out when asked to."""
    row = clip(27)  # 40 frames, windows at 0, 12, 16
    generated = generated_fine(networks, passes, CONFIG, row, None)
    for label_rewritten in (True, False):
        examples = FineExamples(data(row), CONFIG, label_rewritten=label_rewritten)
        last = [(e, b) for e, b in fine_batches(examples).values() if e.new == 20]
        assert sorted(batch["codebook_idx"] for _, batch in last) == [2, 3, 4]
        for example, batch in last:
            k, ids = batch["codebook_idx"], batch["input_ids"][0]
            ((_, fed, _),) = [p for p in generated[-3:] if p[0] == k]
            assert torch.equal(ids[:, :k], fed[:, :k])
            assert torch.equal(ids[:8], fed[:8])
            assert torch.equal(ids[20:], fed[20:])
            assert (fed[8:20, k:] < 16).all()
            assert ids[8:20].tolist() == row["codes"][:, 24:36].T.tolist()
            labelled = (batch["labels"][0] != -100).nonzero()[:, 0].tolist()
            assert labelled == list(range(8 if label_rewritten else 20, 24))
            assert example.fill == 8


# --- labels and layouts


def test_no_label_stands_in_the_fine_input():
    """Other codes to be predicted change the labels and nothing of the input."""
    row = clip(14)
    other = copy.deepcopy(row)
    for epoch in range(12):
        examples, changed = FineExamples(data(row), CONFIG), None
        examples.set_epoch(epoch)
        batch = examples.collate([examples[0]])
        other["codes"] = row["codes"].copy()
        other["codes"][batch["codebook_idx"] :] = (row["codes"][batch["codebook_idx"] :] + 3) % 16
        changed = FineExamples(data(other), CONFIG)
        changed.set_epoch(epoch)
        changed_batch = changed.collate([changed[0]])
        assert torch.equal(batch["input_ids"], changed_batch["input_ids"])
        assert torch.equal(batch["labels"] != -100, changed_batch["labels"] != -100)
        assert (batch["labels"] != changed_batch["labels"]).sum() == 21


@pytest.mark.parametrize("done", [0, 18, 54, 72, 162])
@pytest.mark.parametrize("voice_row", [None, clip(30, seed=99)], ids=["no voice", "voice"])
def test_coarse_history_of_the_clip_is_labelled(done, voice_row):
    """All of the clip's ids in the window: but not a voice's, nor one that follows the infer token after a cut."""
    row = clip(60)
    rows = data(row, *([voice_row] if voice_row else []))
    examples = FixedWindow(rows, CONFIG, history_probability=1.0, full_layout=True)
    examples.done = done
    batch = examples.collate([examples[0]])
    flat = [20 + 16 * k + int(row["codes"][k, t]) for t in range(90) for k in (0, 1)]
    n_front = min(60, done) - int(done > 60)
    labels = batch["labels"][0]
    assert labels[labels != -100].tolist() == flat[done - n_front : done + 18]
    assert (labels != -100).nonzero()[0] == batch["labels"].shape[1] - len(flat[done : done + 18]) - n_front


def test_coarse_windows_are_all_drawn():
    examples = CoarseExamples(data(clip(60)), CONFIG, label_history=False)
    seen = set()
    for epoch in range(100):
        examples.set_epoch(epoch)
        labels = examples[0].labels
        seen.add(tuple(labels[labels != -100].tolist()))
    assert len(seen) == 10


ROWS = [clip(n, seed) for seed, n in enumerate((35, 9, 21, 30))]


@pytest.mark.parametrize("stage", MAKE)
def test_short_layout_is_the_full_one_without_padding(stage):
    """The same ids at the same position ids with the same labels; only padding positions are missing or masked."""
    examples = MAKE[stage](data(*ROWS), history_probability=0.5)
    for epoch in range(8):
        examples.set_epoch(epoch)
        items = [examples[i] for i in range(4)]
        examples.full_layout = False
        short = examples.collate(items)
        examples.full_layout = True
        full = examples.collate(items)
        for row in range(4):
            history = {}
            for name, batch in (("short", short), ("full", full)):
                ids = batch["input_ids"][row]
                if stage == "semantic":
                    block = torch.full_like(ids, -1)
                    block[: batch["history_ids"].shape[1]] = batch["history_ids"][row]
                    ids = torch.stack([ids, block], dim=1)
                ids = ids if ids.ndim == 2 else ids[:, None]
                padding = {"semantic": [60, 22], "coarse": [53], "fine": None}[stage]
                kept = batch["attention_mask"][row].bool()
                if name == "full":
                    is_pad = (ids[:, 0] == 16) if padding is None else (ids == torch.tensor(padding)).all(dim=1)
                    assert is_pad[kept].any() or short["attention_mask"][row].sum() == kept.sum()
                    kept &= ~is_pad
                columns = (batch["position_ids"][row][kept], ids[kept], batch["labels"][row][kept])
                history[name] = [column.tolist() for column in columns]
                assert (batch["labels"][row][~batch["attention_mask"][row].bool()] == -100).all()
            assert history["short"] == history["full"]


@pytest.mark.parametrize("stage", MAKE)
def test_an_item_of_a_short_batch_is_as_alone(networks, stage):
    """Masked positions and jumping position ids change nothing, with any neighbours or none."""
    examples = MAKE[stage](data(*ROWS), history_probability=0.5)
    items = [examples[i] for i in range(4)]
    if stage == "fine":
        items = [item._replace(codebook=3) for item in items]
    batch = examples.collate(items)
    with torch.no_grad():
        logits = networks[stage](**batch).logits
    for row, item in enumerate(items):
        alone, labels = labelled_logits(networks[stage], examples.collate([item]))
        shift = int(stage != "fine")
        together = logits[row, : logits.shape[1] - shift][batch["labels"][row, shift:] != -100]
        assert len(labels)
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


# --- training


def mixed_batch(stage: str, epoch: int = 0, **options) -> dict:
    examples = MAKE[stage](data(*ROWS), **options)
    examples.set_epoch(epoch)
    return examples.collate([examples[i] for i in range(4)])


@pytest.mark.parametrize("full_layout", [False, True], ids=["short", "full"])
@pytest.mark.parametrize("stage", MAKE)
def test_loss_is_the_cross_entropy_of_the_labels(networks, stage, full_layout):
    batch = mixed_batch(stage, full_layout=full_layout)
    with torch.no_grad():
        output = networks[stage](**batch)
    logits, labels = output.logits.double().numpy(), batch["labels"].numpy()
    terms = []
    for row in range(labels.shape[0]):
        for t in range(labels.shape[1]):
            if labels[row, t] != -100:
                scores = logits[row, t if stage == "fine" else t - 1]
                terms.append(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[labels[row, t]])
    assert float(output.loss) == pytest.approx(np.mean(terms), rel=1e-5)


@pytest.mark.parametrize("stage", MAKE)
def test_gradients_reach_every_parameter_of_the_stage(networks, stage):
    network = copy.deepcopy(networks[stage]).train()
    for epoch in range(12):
        network(**mixed_batch(stage, epoch)).loss.backward()
    # Codebook 1 is the coarse stage's here: its head, tied to the embedding of codebook 1, has a gradient by that tie.
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    expected = ["lm_heads.0.weight"] if stage == "fine" and not network.config.tie_word_embeddings else []
    # The last codebook's embedding is read only to see what a window before has written; codes below are all read.
    assert without == expected


def test_gradients_stay_in_the_stage(model):
    """On the whole model, a stage's loss leaves the other stages and the codec alone."""
    whole = copy.deepcopy(model)
    options = {"semantic": {}, "coarse_acoustics": {}, "fine_acoustics": {"n_codes": 8}}
    for name, more in options.items():
        whole.zero_grad(set_to_none=True)
        getattr(whole, name)(**mixed_batch(name.split("_")[0], **more)).loss.backward()
        assert {key.split(".")[0] for key, p in whole.named_parameters() if p.grad is not None} == {name}


@pytest.mark.parametrize("stage", MAKE)
def test_ten_steps_overfit_a_batch(networks, stage):
    torch.manual_seed(0)
    network = copy.deepcopy(networks[stage]).train()
    batch = mixed_batch(stage)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-2)
    losses = []
    for _ in range(11):
        loss = network(**batch).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0], losses


# --- draws


def as_lists(batch: dict) -> dict:
    return {name: value.tolist() if torch.is_tensor(value) else value for name, value in batch.items()}


@pytest.mark.parametrize("stage", MAKE)
def test_examples_depend_on_seed_epoch_and_index_alone(stage):
    rows = data(*ROWS, clip(33, seed=9))

    def batches(seed: int, epoch: int, order: list[int]) -> list[dict]:
        examples = MAKE[stage](rows, seed=seed)
        for before in range(epoch + 1):  # what was asked for before must not matter
            examples.set_epoch(before)
            _ = examples[0] if before % 2 else None
        found = {i: as_lists(examples.collate([examples[i]])) for i in order}
        return [found[i] for i in sorted(found)]

    first = batches(1, 2, [0, 1, 2, 3, 4])
    assert batches(1, 2, [3, 1, 4, 0, 2]) == first
    assert batches(1, 3, [0, 1, 2, 3, 4]) != first
    assert batches(2, 2, [0, 1, 2, 3, 4]) != first


def test_history_is_another_clip_of_the_speaker():
    rows = [
        clip(n, seed, speaker=speaker) for seed, (n, speaker) in enumerate(zip((20, 22, 24, 26), "abab", strict=True))
    ]
    rows.append(clip(28, seed=9, speaker="alone"))
    examples = semantic_examples(data(*rows), history_probability=1.0)
    partner = {0: 2, 1: 3, 2: 0, 3: 1}
    for i, other in partner.items():
        assert examples[i].voice.semantic_prompt.tolist() == rows[other]["semantic"].tolist()
    assert examples[4].voice is None
    never = semantic_examples(data(*rows), history_probability=0.0)
    assert [never[i].voice for i in range(5)] == [None] * 5
    half = semantic_examples(data(*rows), history_probability=0.5)
    taken = 0
    for epoch in range(200):
        half.set_epoch(epoch)
        taken += half[0].voice is not None
    assert 70 <= taken <= 130  # 200 coins: four standard deviations


def test_fine_codebooks_are_drawn_evenly():
    examples = FineExamples(data(*ROWS), CONFIG)
    counts = dict.fromkeys((2, 3, 4), 0)
    for epoch, i in itertools.product(range(100), range(4)):
        examples.set_epoch(epoch)
        counts[examples[i].codebook] += 1
    assert min(counts.values()) > 95  # 400 draws of 133 each: four standard deviations


# --- history_ids


def test_history_ids_are_added_to_the_embeddings(networks):
    network = networks["semantic"]
    ids, history = torch.randint(0, 60, (2, 9)), torch.randint(0, 60, (2, 4))
    embeds = network.input_embeds_layer.weight[ids]
    embeds[:, :4] += network.input_embeds_layer.weight[history]
    with torch.no_grad():
        expected = network(inputs_embeds=embeds).logits
        torch.testing.assert_close(network(input_ids=ids, history_ids=history).logits, expected)


@pytest.mark.parametrize("shape", [(2, 10), (1, 4)])
def test_history_ids_that_do_not_fit(networks, shape):
    with pytest.raises(ValueError, match=r"history_ids have shape .* input_ids have \(2, 9\)"):
        networks["semantic"](input_ids=torch.ones(2, 9).long(), history_ids=torch.ones(shape).long())


def test_history_ids_need_input_ids(networks):
    with pytest.raises(ValueError, match="add them to inputs_embeds yourself"):
        networks["semantic"](inputs_embeds=torch.ones(1, 9, 32), history_ids=torch.ones(1, 4).long())


# --- bad input


@pytest.mark.parametrize(
    ("stage", "row", "message"),
    [
        ("semantic", clip(semantic=[]), "'clip-0': semantic is empty; needed is at least 1 token"),
        ("coarse", clip(codes=[]), "'clip-0': codes are empty"),
        ("coarse", clip(codes=[[], []]), "'clip-0': codes are empty"),
        ("semantic", clip(semantic=[3] * 29 + [20]), r"'clip-0': semantic hold 20; allowed are 0\.\.19"),
        ("semantic", clip(semantic=[-1] * 30), r"'clip-0': semantic hold -1; allowed"),
        ("fine", clip(codes=[[16] * 45] * 5), r"'clip-0': codes hold 16; allowed are 0\.\.15 \(codebook_size=16"),
        ("fine", clip(codes=[[1] * 45] * 4), "'clip-0': codes have 4 codebooks; this stage needs 5"),
        ("coarse", clip(codes=[[1] * 45, [1] * 44]), "'clip-0': codes have rows of different lengths"),
        ("fine", clip(codes=[[1] * 90] * 5), "'clip-0': 90 code frames .* 30 semantic tokens.* should be 45, 4 more"),
        ("semantic", clip(text=" "), "'clip-0': the tokenizer gives no text ids"),
        ("semantic", clip(text="z" * 3 + chr(96 + 36)), "'clip-0': a text id plus text_encoding_offset=24 is 60"),
        ("semantic", clip(40), r"None of the 2 clips .* 40 semantic tokens; .* 39 at most \(max_new_tokens - 1\)"),
        ("coarse", clip(speaker=None), "'clip-0' has no speaker"),
    ],
)
def test_clips_that_do_not_fit(stage, row, message):
    good = clip(40 if "None of" in message else 30, seed=1)
    with pytest.raises(ValueError, match=message) as error:
        MAKE[stage](data(good, row))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"history_probability": 1.5}, "history_probability=1.5 must be a number from 0 to 1"),
        ({"seed": -1}, "seed=-1 must be an integer of at least 0"),
        ({"n_codes": 4}, "n_codes=4 is below n_fine_codebooks=5"),
    ],
)
def test_options_outside_their_limits(options, message):
    with pytest.raises(ValueError, match=message):
        FineExamples(data(clip()), CONFIG, **options)


def test_epochs_are_counts():
    with pytest.raises(ValueError, match=r"epoch=1\.5 must be an integer of at least 0"):
        FineExamples(data(clip()), CONFIG).set_epoch(1.5)


def test_no_clips():
    with pytest.raises(ValueError, match="0 clips"):
        CoarseExamples(data(clip()).select([]), CONFIG)


def test_long_clips_are_left_out_and_counted():
    with pytest.warns(UserWarning, match=r"1 of 2 clips are left out, the first 'clip-3', .* 40 semantic tokens"):
        examples = semantic_examples(data(clip(40, seed=3), clip(39, seed=4)))
    assert examples.left_out == ["clip-3"]
    assert len(examples) == 1
    assert examples[0].semantic.shape[0] == 39
    with pytest.raises(IndexError):
        examples[1]


def test_the_longest_clip_fills_the_network(networks):
    """39 tokens and the end mark: all 40 that generation can draw, with the network's last position."""
    examples = semantic_examples(data(clip(39)), full_layout=True)
    batch = examples.collate([examples[0]])
    assert int(batch["position_ids"].max()) == networks["semantic"].config.block_size - 1
    assert (batch["labels"] != -100).sum() == 40


def test_long_texts_are_cut_and_counted():
    with pytest.warns(UserWarning, match="1 of 2 texts have more than 12 tokens .* of clip 'clip-3', has 13"):
        examples = semantic_examples(data(clip(seed=3, text="a" * 13), clip(seed=4)), full_layout=True)
    assert examples.collate([examples[0]])["input_ids"][0, :13].tolist() == [25] * 12 + [61]


def test_selected_rows_and_other_column_orders(tmp_path):
    """A split or shuffled dataset is read through its indices, from disk as from memory."""
    rows = data(*ROWS)
    rows.save_to_disk(tmp_path / "data")
    picked = Dataset.load_from_disk(tmp_path / "data").select([2, 0]).select_columns(rows.column_names[::-1])
    examples = semantic_examples(picked)
    assert [e.semantic.tolist() for e in examples] == [ROWS[2]["semantic"].tolist(), ROWS[0]["semantic"].tolist()]


def test_transformers_tokenizer(checkpoint):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    config = BarkGenerationConfig()
    rows = data(clip(text="hello   world"))
    examples = SemanticExamples(rows, config, tokenizer=tokenizer)
    assert examples[0].text.tolist() == tokenizer.convert_tokens_to_ids(["hello", "world"])
    with pytest.raises(ValueError, match="'clip-0': Text 0"):
        SemanticExamples(data(clip(text="\u200b")), config, tokenizer=tokenizer)


def test_nothing_warns_without_cause():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for stage in MAKE:
            mixed_batch(stage)
