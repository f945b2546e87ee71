"""Trainings of tiny networks from a recipe to a checkpoint: loss, resume, adapters, what is written, two processes."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers
from accelerate.state import AcceleratorState, PartialState
from datasets import Dataset
from safetensors.torch import load_file
from tiny import tiny_config
from typer.testing import CliRunner

from bark_hf import BarkModel
from bark_hf.cli import app
from bark_hf.training import saving, source, stage_training
from bark_hf.training.callbacks import Log, read_log
from bark_hf.training.dataset import FEATURES
from bark_hf.training.lora import add_adapter, merge_adapter
from bark_hf.training.merging import merge_adapters
from bark_hf.training.recipe import load_recipe
from bark_hf.training.saving import write_checkpoint
from bark_hf.training.stages import find_stage

RECIPE = {
    "max_steps": 8,
    "batch_size": 4,
    "learning_rate": 3e-3,
    "warmup_steps": 0,
    "precision": "fp32",
    "device": "cpu",
    "logging_steps": 1,
    "eval_steps": 4,
    "save_steps": 2,
    "eval_examples": 2,
    "keep_checkpoints": 9,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Nine clips of two speakers, a quarter of a second each, with few different tokens."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(9):
        n_tokens = 10 + i
        rows.append(
            {
                "id": f"clip{i}",
                "text": f"hello world {i}",
                "speaker": f"speaker{i % 2}",
                "language": "en",
                "seconds": n_tokens / 49.9,
                "semantic": rng.integers(0, 5, n_tokens).tolist(),
                "codes": rng.integers(0, 5, (8, int(n_tokens * 75 / 49.9))).tolist(),
            }
        )
    folder = tmp_path_factory.mktemp("prepared")
    Dataset.from_list(rows, features=FEATURES).save_to_disk(str(folder))
    return str(folder)


def train(stage, output_dir, **fields):
    """Train and give the result's folder and the log."""
    recipe_class, function = find_stage(stage)
    result = function(load_recipe(recipe_class, None, RECIPE | {"output_dir": output_dir} | fields))
    return result, read_log(Path(output_dir) / "log.jsonl")


def curve(log):
    """What must not depend on the clock."""
    return [{k: v for k, v in line.items() if k not in ("seconds", "positions_per_second")} for line in log]


PARTS = {"semantic": "semantic", "coarse": "coarse_acoustics", "fine": "fine_acoustics"}


@pytest.mark.parametrize("stage", list(PARTS))
def test_training_lowers_the_loss(stage, data, checkpoint, tmp_path, capsys):
    """The loss falls, that of the evaluation too, and the result differs from the source in this stage alone."""
    # Each fine batch has one codebook of six, so it takes more steps to see its loss fall.
    n_steps, rate = (24, 1e-2) if stage == "fine" else (8, 3e-3)
    options = {"max_steps": n_steps, "eval_steps": n_steps // 2, "save_steps": n_steps, "learning_rate": rate}
    result, log = train(stage, tmp_path, data=data, model=str(checkpoint), **options)
    losses = [line["loss"] for line in log if "loss" in line]
    evaluations = [line["eval_loss"] for line in log if "eval_loss" in line]
    assert (len(losses), len(evaluations)) == (n_steps, 2)
    assert np.mean(losses[-n_steps // 4 :]) < 0.9 * np.mean(losses[: n_steps // 4])
    assert evaluations[-1] < 0.95 * losses[0]
    assert (
        f"8 clips (1 for evaluation), {n_steps} steps of 4 examples ({n_steps / 2} passes), fp32 on cpu"
        in capsys.readouterr().err
    )

    before, after = (load_file(folder / "model.safetensors") for folder in (checkpoint, result))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(f"{PARTS[stage]}.") for name in changed)
    for path in checkpoint.rglob("*"):
        if path.is_file() and path.suffix != ".safetensors":
            assert (result / path.relative_to(checkpoint)).read_bytes() == path.read_bytes(), path
    assert {p.name for p in (tmp_path / f"checkpoint-{n_steps}").iterdir()} >= {"model.safetensors", "optimizer.pt"}
    assert len(load_file(tmp_path / f"checkpoint-{n_steps}" / "model.safetensors")) < 40  # the stage's network alone


def test_result_loads_everywhere(data, checkpoint, tmp_path):
    """This package and Transformers compute the same from the folder that a training wrote."""
    result, _ = train("coarse", tmp_path, data=data, model=str(checkpoint), max_steps=1)
    ours, info = BarkModel.from_pretrained(result, output_loading_info=True)
    theirs, their_info = transformers.BarkModel.from_pretrained(result, output_loading_info=True)
    assert not info["missing_keys"]
    assert all(name.endswith(".attn.bias") for name in their_info["missing_keys"])  # masks, which it makes itself
    ids = torch.randint(0, 10_000, (1, 20))
    with torch.no_grad():
        expected = theirs.coarse_acoustics(input_ids=ids).logits
        torch.testing.assert_close(ours.coarse_acoustics(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5)


def test_killed_run_goes_on_with_the_same_losses(data, checkpoint, tmp_path, monkeypatch):
    """Order, layout, dropout and optimizer are those of a run that nobody stopped, to the last bit.

    Passes over the 8 clips end in the middle of a batch, and the layout changes behind the place of the kill.
    """
    options = {"data": data, "model": str(checkpoint), "batch_size": 3, "dropout": 0.2, "full_layout_fraction": 0.4}
    options |= {"gradient_accumulation": 2, "max_steps": 6}
    whole, expected = train("coarse", tmp_path / "whole", **options)

    calls = []
    step = stage_training.StageTrainer.training_step

    def killed(self, *args, **kwargs):
        calls.append(1)
        if len(calls) > 9:  # in the middle of the fifth step
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(stage_training.StageTrainer, "training_step", killed)
        with pytest.raises(KeyboardInterrupt):
            train("coarse", tmp_path / "killed", **options)
    (tmp_path / "killed" / "checkpoint-4" / "trainer_state.json").unlink()  # as if killed while writing it
    resumed, log = train("coarse", tmp_path / "killed", **options)
    assert curve(log) == curve(expected)
    before, after = (load_file(folder / "model.safetensors") for folder in (whole, resumed))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_adapters(data, checkpoint, tmp_path):
    """Merged weights compute what the adapter on the source does, and only the adapter was trained."""
    options = {"data": data, "model": str(checkpoint), "lora_rank": 3, "max_steps": 3}
    result, _ = train("semantic", tmp_path, **options)
    networks = [BarkModel.from_pretrained(folder).semantic for folder in (checkpoint, result, checkpoint)]
    before, merged, again = networks
    adapted = merge_adapter(before, tmp_path / "adapter")
    import peft

    applied = peft.PeftModel.from_pretrained(again, str(tmp_path / "adapter")).eval()
    ids = torch.randint(0, 10_000, (2, 30))
    with torch.no_grad():
        expected = applied(input_ids=ids).logits
        torch.testing.assert_close(merged(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(adapted(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-5)
        with applied.disable_adapter():
            assert (applied(input_ids=ids).logits - expected).abs().max() > 1e-3
    assert torch.equal(merged.lm_head.weight, applied.get_base_model().lm_head.weight)
    with pytest.raises(ValueError, match="is an adapter of BarkSemanticModel, not of BarkFineModel"):
        merge_adapter(BarkModel(tiny_config()).fine_acoustics, tmp_path / "adapter")


def test_saved_adapters_are_merged(data, checkpoint, tmp_path):
    """`bark-hf train merge` writes what the run itself would have merged, for several stages at once."""
    options = {"data": data, "model": str(checkpoint), "lora_rank": 3, "max_steps": 2, "eval_fraction": 0}
    expected = {}
    for stage in ("coarse", "fine"):
        result, _ = train(stage, tmp_path / stage, **options)
        weights = load_file(result / "model.safetensors")
        expected |= {name: tensor for name, tensor in weights.items() if name.startswith(stage)}
    out = tmp_path / "merged"
    adapters = [str(tmp_path / stage / "adapter") for stage in ("coarse", "fine")]
    result = CliRunner().invoke(app, ["train", "merge", *adapters, "-o", str(out)])
    assert (result.exit_code, result.stdout) == (0, f"{out}\n"), result.output
    merged = load_file(out / "model.safetensors")
    source_weights = BarkModel.from_pretrained(checkpoint).state_dict()
    assert all(torch.equal(merged[name], tensor) for name, tensor in expected.items())
    assert all(torch.equal(merged[n], source_weights[n]) for n in merged if n.startswith(("semantic", "codec")))
    assert BarkModel.from_pretrained(out).semantic is not None

    refusals = {
        "exists already": (adapters, out, None),
        "one adapter per stage": ([adapters[0]] * 2, tmp_path / "x", None),
        "is no adapter of a Bark stage": ([str(checkpoint)], tmp_path / "x", None),
        "recipe.json beside it": ([shutil.copytree(adapters[0], tmp_path / "alone" / "adapter")], tmp_path / "x", None),
    }
    for words, arguments in refusals.items():
        with pytest.raises(ValueError, match=words):
            merge_adapters(*arguments)
    assert not (tmp_path / "x").exists()


def test_adapter_alone_and_without_peft(data, checkpoint, tmp_path, monkeypatch):
    options = {"data": data, "model": str(checkpoint), "lora_rank": 2, "max_steps": 1, "lora_merge": False}
    result, _ = train("fine", tmp_path / "a", gradient_checkpointing=True, **options)
    assert result.name == "adapter"
    assert not (tmp_path / "a" / "model").exists()
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(ImportError, match=r"pip install 'bark-hf\[train\]'"):
        add_adapter(BarkModel(tiny_config()).semantic, 2)


def test_from_nothing(data, checkpoint, tmp_path):
    """A folder with sizes and tokenizer but no weights: the trained stage is written, and no other is made up."""
    bare = tmp_path / "bare"
    shutil.copytree(checkpoint, bare, ignore=shutil.ignore_patterns("*.safetensors"))
    options = {"data": data, "model": str(bare), "max_steps": 1, "eval_fraction": 0}
    with pytest.raises(ValueError, match=r"lacks weights of fine_acoustics; .*fresh_weights: true"):
        train("fine", tmp_path / "a", **options)
    with pytest.raises(
        ValueError, match=r"sample_text can't be spoken: .* lacks weights of .*coarse_acoustics.*semantic"
    ):
        train("fine", tmp_path / "a", fresh_weights=True, sample_text="hello", **options)
    result, _ = train("fine", tmp_path / "a", fresh_weights=True, **options)
    names = set(load_file(result / "model.safetensors"))
    assert names
    assert all(name.startswith("fine_acoustics.") for name in names)
    result, _ = train("semantic", tmp_path / "b", fresh_weights=True, **options | {"model": str(result)})
    both = load_file(result / "model.safetensors")
    assert {name.split(".")[0] for name in both} == {"semantic", "fine_acoustics"}
    std = both["semantic.input_embeds_layer.weight"].std().item()
    assert 0.19 < std < 0.21  # initializer_range of the config


def test_hub_source_early_stop_and_samples(data, hub, tmp_path, capsys):
    """A Hub's name is as good as a folder; each evaluation speaks; a loss that doesn't fall ends the run for good."""
    options = {"data": data, "model": "suno/bark-small", "learning_rate": 0.0, "eval_steps": 2, "max_steps": 20}
    result, log = train("fine", tmp_path, early_stopping_patience=1, sample_text="hello world", **options)
    assert log[-1]["step"] == 4
    for step in (2, 4):
        audio, rate = soundfile.read(tmp_path / "samples" / f"step-{step}.wav")
        assert rate == 24_000
        assert len(audio) > 1000
    assert not any(path.is_symlink() for path in result.rglob("*"))
    assert json.loads((result / "generation_config.json").read_text())["semantic_config"]["max_new_tokens"] == 40
    # the same command again: nothing is trained, and the result is there again
    assert "early stopping ended" not in capsys.readouterr().err
    weights = load_file(result / "model.safetensors")
    shutil.rmtree(result)
    result, again = train("fine", tmp_path, early_stopping_patience=1, sample_text="hello world", **options)
    assert again == log
    assert "early stopping ended this run at step 4" in capsys.readouterr().err
    assert all(torch.equal(weights[name], tensor) for name, tensor in load_file(result / "model.safetensors").items())
    # with more patience it goes on
    _, longer = train(
        "fine", tmp_path, early_stopping_patience=9, sample_text="hello world", **options | {"max_steps": 6}
    )
    assert longer[-1]["step"] == 6


def test_full_disk_leaves_no_half_model(checkpoint, tmp_path, monkeypatch):
    """The folder that was there stays, nothing else does, and the error is one line."""
    output = tmp_path / "model"
    shutil.copytree(checkpoint, output)
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(saving, "copy_files", full)
    with pytest.raises(OSError, match=r"can't be written \(.*No space left.*\); make room"):
        write_checkpoint(checkpoint, {}, output)
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_full_disk_at_a_checkpoint(data, checkpoint, tmp_path, monkeypatch):
    """torch says it in words of its own; the same command goes on afterwards."""
    options = {"data": data, "model": str(checkpoint), "max_steps": 4}

    def full(*args, **kwargs):
        raise RuntimeError("[enforce fail] PytorchStreamWriter failed writing file data/3: file write failed")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(OSError, match="make room, then give the same command") as caught:
            train("fine", tmp_path, **options)
    assert "\n" not in str(caught.value)
    result, log = train("fine", tmp_path, **options)
    assert [line["step"] for line in log if "loss" in line] == [1, 2, 3, 4]
    assert source.has_weights(result)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    log = Log(tmp_path, lambda: 0, "semantic", 9)
    state = transformers.TrainerState(global_step=3, is_world_process_zero=True)
    with pytest.raises(ValueError, match="the loss is nan at step 3, and must be finite; lower learning_rate"):
        log.on_log(None, state, None, {"loss": float("nan")})


def two_processes(rank, port, stage, fields, output_dir):
    """One of two processes; both share the parent's imports, and none of its accelerator."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState._reset_state()
    try:
        train(stage, output_dir, **fields)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(("stage", "exact"), [("semantic", True), ("fine", False)])
def test_two_processes(stage, exact, data, checkpoint, tmp_path):
    """Two processes with batches of 2 learn what one with batches of 4 does.

    Not so the fine stage, where each batch has one codebook; there, heads without a gradient must not stop them.
    """
    import socket

    fields = {"data": data, "model": str(checkpoint), "max_steps": 3, "group_by_length": False, "eval_fraction": 0}
    fields["full_layout_fraction"] = 1 / 3  # from the third step on, whatever the batch
    _, alone = train(stage, tmp_path / "one", **fields)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = (port, stage, fields | {"batch_size": 2}, tmp_path / "two")
    torch.multiprocessing.start_processes(two_processes, arguments, nprocs=2, start_method="fork")
    together = read_log(tmp_path / "two" / "log.jsonl")
    assert [line["step"] for line in together] == [1, 2, 3]
    if exact:
        np.testing.assert_allclose([line["loss"] for line in together], [line["loss"] for line in alone], rtol=1e-5)
    assert source.has_weights(tmp_path / "two" / "model")
