"""Recipes: what is read, what is refused and in which words; the split and the order of clips; Trainer's arguments."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from tiny import tiny_config

from bark_hf.cli import app
from bark_hf.training.callbacks import read_log
from bark_hf.training.checkpoints import newest_checkpoint, prepare_output
from bark_hf.training.order import RunOrder
from bark_hf.training.recipe import load_recipe
from bark_hf.training.split import split_by_text
from bark_hf.training.stage_recipes import CoarseRecipe, FineRecipe, SemanticRecipe
from bark_hf.training.trainer import trainer_arguments

NEEDED = {"output_dir": "out", "data": "data", "model": "model"}


def recipe(**fields):
    return load_recipe(SemanticRecipe, None, NEEDED | fields)


def test_yaml_and_flags(tmp_path):
    """YAML reads 1e-4 as text, and flags are text: both become the field's type; flags win."""
    file = tmp_path / "recipe.yaml"
    file.write_text("output_dir: out\ndata: d\nmodel: m\nlearning_rate: 1e-4\nmax_steps: 7\nreport_to: [tensorboard]\n")
    loaded = load_recipe(SemanticRecipe, file, {"max_steps": "9", "epochs": "2", "fresh_weights": "yes"})
    assert (loaded.learning_rate, loaded.max_steps, loaded.epochs, loaded.fresh_weights) == (1e-4, 9, 2.0, True)
    assert loaded.report_to == ("tensorboard",)
    assert recipe(report_to="a, b").report_to == ("a", "b")
    assert recipe(max_steps="none").max_steps is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"lerning_rate": 1}, "unknown field 'lerning_rate'. Did you mean 'learning_rate'?"),
        ({"label_history": True}, "unknown field 'label_history'"),  # the coarse recipe's own
        ({"max_steps": -1}, "max_steps=-1 must be at least 1"),
        ({"max_steps": 1.5}, "max_steps=1.5 is of the wrong type (float); it must be a whole number"),
        ({"batch_size": "many"}, "batch_size='many' is of the wrong type (str)"),
        ({"batch_size": True}, "batch_size=True is of the wrong type (bool)"),
        ({"resume": 3}, "resume=3 is of the wrong type (int); it must be true or false"),
        ({"learning_rate": "nan"}, "learning_rate='nan' is of the wrong type"),
        ({"eval_fraction": 0.95}, "eval_fraction=0.95 must be 0.0..0.9"),
        ({"lr_schedule": "cosin"}, "Did you mean 'cosine'?"),
        ({"data": None}, "data is missing"),
        ({"warmup_steps": 2.5}, "warmup_steps=2.5 must be a whole number, or a share of the run below 1"),
        ({"load_best": True, "eval_steps": 30, "save_steps": 40}, "save_steps=40 must be a multiple of eval_steps=30"),
        ({"early_stopping_patience": 2, "eval_fraction": 0}, "eval_fraction=0 leaves nothing"),
        ({"lora_rank": 4, "fresh_weights": True}, "lora_rank and fresh_weights contradict"),
        ({"sample_voice": "v"}, "says nothing without sample_text"),
    ],
)
def test_bad_recipes(fields, words):
    with pytest.raises(ValueError) as caught:
        recipe(**fields)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path):
    file = tmp_path / "recipe.yaml"
    for content, words in (("- a\n", "holds a list"), ("a: [", "no valid YAML")):
        file.write_text(content)
        with pytest.raises(ValueError, match=words):
            load_recipe(SemanticRecipe, file)


def test_every_field_has_help():
    for kind in (SemanticRecipe, CoarseRecipe, FineRecipe):
        assert all(len(spec.metadata["help"]) > 10 for spec in dataclasses.fields(kind))


def test_trainer_arguments(tmp_path):
    arguments = trainer_arguments(recipe(output_dir=str(tmp_path), device="cpu", precision="bf16", adam_beta2=0.95))
    assert (arguments.bf16, arguments.fp16, arguments.use_cpu, arguments.adam_beta2) == (True, False, True, 0.95)
    assert arguments.report_to == []
    with pytest.raises(ValueError, match="precision='fp16' needs a CUDA or XPU device"):
        trainer_arguments(recipe(output_dir=str(tmp_path), device="cpu", precision="fp16"))


def test_split_keeps_texts_together():
    """Two speakers of one text would let a network see its evaluation text in training."""
    texts = [f"text {i // 3}" for i in range(60)]
    train, held_out = split_by_text(texts, 0.1, seed=0)
    assert sorted(train + held_out) == list(range(60))
    assert len(held_out) == 6
    assert not {texts[i] for i in train} & {texts[i] for i in held_out}
    assert split_by_text(texts, 0.1, seed=0) == (train, held_out)
    assert split_by_text(texts, 0.1, seed=1) != (train, held_out)
    assert len(split_by_text(["a", "b"], 0.01, 0)[1]) == 1
    assert split_by_text(["a", "b"], 0, 0) == ([0, 1], [])
    with pytest.raises(ValueError, match="1 different text can't be split"):
        split_by_text(["a", " A "], 0.1, 0)


@pytest.mark.parametrize("group", [False, True])
def test_order(group):
    """Each pass has every clip once; a longer run starts as the shorter one does; the layout changes at its place."""
    lengths = [10 * i for i in range(7)]
    places = list(RunOrder(lengths, 2, 700, full_from=600, seed=3, group=group))
    assert len(places) == 700
    assert Counter((p.epoch, p.clip) for p in places) == {(e, c): 1 for e in range(100) for c in range(7)}
    assert [p.full_layout for p in places] == [False] * 600 + [True] * 100
    longer = list(RunOrder(lengths, 2, 1400, full_from=600, seed=3, group=group))
    assert longer[:700] == places
    assert list(RunOrder(lengths, 2, 700, 600, seed=4, group=group)) != places


def test_grouping_saves_padding():
    lengths = [(i * 37) % 101 for i in range(400)]

    def padding(group):
        places = list(RunOrder(lengths, 4, 400, 400, 0, group))
        batches = [[lengths[p.clip] for p in places[i : i + 4]] for i in range(0, 400, 4)]
        return sum(4 * max(batch) - sum(batch) for batch in batches)

    assert padding(True) < 0.2 * padding(False)


def test_half_checkpoints(tmp_path):
    """A checkpoint without its last file, or of another step, is no place to go on from, and is removed."""
    wanted = recipe(output_dir=str(tmp_path))
    for step, state in ((2, '{"global_step": 2}'), (4, '{"global_step": 4}'), (6, '{"global_st'), (8, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if state:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    assert newest_checkpoint(tmp_path).name == "checkpoint-4"
    assert prepare_output(wanted).name == "checkpoint-4"
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4"]
    assert prepare_output(dataclasses.replace(wanted, max_steps=9)).name == "checkpoint-4"  # may be trained longer
    with pytest.raises(ValueError, match=r"another recipe \(learning_rate: 0.0001 there, 0.5 here\)"):
        prepare_output(dataclasses.replace(wanted, learning_rate=0.5))
    assert prepare_output(dataclasses.replace(wanted, learning_rate=0.5, resume=False)) is None
    assert not list(tmp_path.glob("checkpoint-*"))


def test_half_log_line(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"ste')
    assert read_log(tmp_path / "log.jsonl") == [{"step": 1}]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["semantik"], 2, "No such command 'semantik'"),
        (["semantic", "--lerning-rate", "1"], 2, "--learning-rate"),
        (["semantic", "--output-dir", "x"], 1, "data is missing"),
        (["semantic", "--output-dir", "x", "--data", "d", "--model", "m", "--max-steps", "-3"], 1, "max_steps=-3"),
    ],
)
def test_command_errors(arguments, code, words, capsys):
    """One line on stderr, and an exit code that scripts can read."""
    with pytest.raises(SystemExit) as left:
        app(["train", *arguments])
    lines = capsys.readouterr().err.splitlines()
    assert (left.value.code, len(lines)) == (code, 1)
    assert words in lines[0]


def test_help_lists_every_field(capsys):
    with pytest.raises(SystemExit):
        app(["train", "coarse", "--help"], terminal_width=200)
    shown = capsys.readouterr().out
    for spec in dataclasses.fields(CoarseRecipe):
        assert f"--{spec.name.replace('_', '-')} " in shown


def test_adapters_need_layers():
    """A misspelt layer is named, with those that there are."""
    from bark_hf import BarkSemanticModel
    from bark_hf.training.lora import add_adapter

    with pytest.raises(ValueError, match=r"must name linear layers; \['q_proj'\] is none"):
        add_adapter(BarkSemanticModel(tiny_config().semantic_config), 2, targets=["q_proj"])
