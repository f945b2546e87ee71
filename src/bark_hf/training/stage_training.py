"""The training of one network from a recipe to a checkpoint. This file joins the parts; each part is elsewhere."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PreTrainedModel, Trainer, set_seed
from transformers.trainer_callback import PrinterCallback

from ..checkpoint_files import CheckpointFiles, load_tokenizer
from ..generation_configuration_bark import BarkGenerationConfig
from .callbacks import Log, Samples
from .checkpoints import newest_checkpoint, prepare_output, stopped_early
from .dataset import load_prepared
from .examples import CoarseExamples, FineExamples, SemanticExamples
from .lora import add_adapter
from .order import EvaluationExamples, RunExamples, RunOrder, collate
from .saving import replacing, write_checkpoint
from .source import Source, checkpoint_folder, load_source
from .speaking import make_speaker
from .split import split_by_text
from .stage_recipes import StageRecipe
from .trainer import disk_errors, trainer_arguments

MODEL_FOLDER, ADAPTER_FOLDER = "model", "adapter"


class StageTrainer(Trainer):
    """`Trainer` whose examples come in a `RunOrder`, and which counts positions."""

    def __init__(self, order: RunOrder, **kwargs: Any):
        super().__init__(**kwargs)
        self.order, self.n_positions = order, 0
        self.n_parameters = sum(parameter.numel() for parameter in self.model.parameters())
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> RunOrder:
        return self.order

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Of one batch, forward and backward; Transformers' own takes the main input for token ids."""
        return 6 * inputs["input_ids"].shape[0] * inputs["input_ids"].shape[1] * self.n_parameters

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        self.n_positions += inputs["input_ids"].shape[0] * inputs["input_ids"].shape[1]
        return super().training_step(model, inputs, *args, **kwargs)


def train_stage(recipe: StageRecipe) -> Path:
    """Train one network.

    Args:
        recipe: a `SemanticRecipe`, `CoarseRecipe` or `FineRecipe`.

    Returns:
        output_dir/model, a whole checkpoint; or output_dir/adapter with `lora_merge=False`.

    Raises:
        ValueError: for data, a checkpoint or a recipe that don't fit: what is wrong, the limit, the remedy.
        OSError: if the disk refuses. The same call then goes on from the newest checkpoint.
        ImportError: if a package is missing.
    """
    # A fine batch has one codebook: the heads of the others are unused, and evaluation takes each example by itself.
    fine = recipe.part == "fine_acoustics"
    evaluation_batch = 1 if fine else recipe.batch_size
    arguments = trainer_arguments(recipe, ddp_find_unused_parameters=fine, per_device_eval_batch_size=evaluation_batch)
    folder = checkpoint_folder(recipe.model)
    train_examples, eval_examples = make_examples(recipe, folder)
    set_seed(recipe.seed)  # fresh weights and adapters
    source = load_source(folder)
    network = prepare_network(source, recipe)

    world, per_process = arguments.world_size, recipe.batch_size * recipe.gradient_accumulation
    n_steps = (
        stopped_early(recipe)
        or recipe.max_steps
        or math.ceil(recipe.epochs * len(train_examples) / (per_process * world))
    )
    arguments.max_steps, arguments.num_train_epochs = n_steps, 1  # to Trainer the whole run is one pass
    n_examples = n_steps * per_process * world
    order = RunOrder(
        train_examples.lengths,
        recipe.batch_size,
        n_examples,
        round(n_examples * (1 - recipe.full_layout_fraction)),
        recipe.seed,
        recipe.group_by_length,
    )
    trainer = StageTrainer(
        order,
        model=network,
        args=arguments,
        data_collator=collate,
        train_dataset=RunExamples(train_examples, n_examples),
        eval_dataset=None if eval_examples is None else EvaluationExamples(eval_examples, recipe.eval_examples),
    )
    output_dir = Path(arguments.output_dir)
    with arguments.main_process_first(local=False):
        checkpoint = prepare_output(recipe) if arguments.process_index == 0 else newest_checkpoint(output_dir)
    title = recipe.part.split("_")[0]
    trainer.add_callback(Log(output_dir, lambda: trainer.n_positions, title, n_steps))
    if recipe.early_stopping_patience:
        trainer.add_callback(EarlyStoppingCallback(recipe.early_stopping_patience))
    if recipe.sample_text is not None:
        trainer.add_callback(Samples(output_dir, make_speaker(source, recipe, arguments.device)))
    del source
    if trainer.is_world_process_zero():
        print(describe(trainer, recipe, len(train_examples), eval_examples, checkpoint), file=sys.stderr, flush=True)
    with disk_errors(output_dir):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        if (
            eval_examples is not None
            and not recipe.keep_best
            and trainer.state.global_step % (recipe.eval_steps or n_steps + 1)
        ):
            trainer.evaluate()
    return save_result(trainer, recipe, folder, output_dir)


def make_examples(recipe: StageRecipe, folder: Path) -> tuple[Any, Any]:
    """Examples to train on, and those to evaluate on or None."""
    clips = load_prepared(recipe.data)
    if recipe.eval_data is not None:
        kept, held_out = clips, load_prepared(recipe.eval_data)
    else:
        rows, held_out_rows = split_by_text(clips["text"], recipe.eval_fraction, recipe.seed)
        kept, held_out = clips.select(rows), clips.select(held_out_rows) if held_out_rows else None
    config = generation_config(folder)
    kind: Any = {"semantic": SemanticExamples, "coarse_acoustics": CoarseExamples, "fine_acoustics": FineExamples}
    kind = kind[recipe.part]
    options: dict[str, Any] = {"seed": recipe.seed, "history_probability": recipe.history_probability}
    evaluation: dict[str, Any] = {"full_layout": True}
    if recipe.part == "semantic":
        options["tokenizer"] = load_tokenizer(CheckpointFiles(str(folder)))
    elif recipe.part == "coarse_acoustics":
        options["label_history"] = recipe.label_history  # type: ignore[attr-defined]
    else:
        evaluation["label_rewritten"] = False
    examples = kind(kept, config, **options)
    return examples, None if held_out is None else kind(held_out, config, **options | evaluation)


def generation_config(folder: Path) -> BarkGenerationConfig:
    """The checkpoint's ids, rates and windows; Suno's where it says nothing."""
    if (folder / "generation_config.json").is_file():
        return BarkGenerationConfig.from_pretrained(folder)
    return BarkGenerationConfig()


def prepare_network(source: Source, recipe: StageRecipe) -> Any:
    """The network to train: as it is, with fresh weights, or with adapters."""
    network: PreTrainedModel = getattr(source.model, recipe.part)
    if recipe.fresh_weights:
        network = type(network)(network.config)
        setattr(source.model, recipe.part, network)
    elif source.lacks(recipe.part):
        raise ValueError(
            f"{recipe.model} lacks weights of {recipe.part}; training them further needs them; give another model, or "
            "fresh_weights: true to start from nothing."
        )
    if recipe.dropout is not None:
        network.config.dropout = recipe.dropout  # attention reads it there
        for layer in network.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = recipe.dropout
    network.config.use_cache = False
    if not recipe.lora_rank:
        return network
    return add_adapter(network, recipe.lora_rank, recipe.lora_alpha, recipe.lora_dropout, recipe.lora_target_modules)


def describe(trainer: StageTrainer, recipe: StageRecipe, n_train: int, held_out: Any, checkpoint: Path | None) -> str:
    """One line: what is trained, on what, for how long."""
    arguments = trainer.args
    sizes = [(p.numel(), p.requires_grad) for p in trainer.model.parameters()]
    n_trained, n_all = sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)
    per_step = recipe.batch_size * recipe.gradient_accumulation * arguments.world_size
    start = "fresh weights" if recipe.fresh_weights else recipe.model
    n_held_out = 0 if held_out is None else len(held_out)
    precision = "bf16" if arguments.bf16 else "fp16" if arguments.fp16 else "fp32"
    return (
        f"{recipe.part}: training {n_trained:,} of {n_all:,} parameters from {start} on {n_train:,} clips "
        f"({n_held_out:,} for evaluation), {arguments.max_steps:,} steps of {per_step} examples "
        f"({arguments.max_steps * per_step / n_train:.1f} passes), {precision} on {arguments.device}, "
        f"{'from step 0' if checkpoint is None else f'going on from {checkpoint.name}'}"
    )


def save_result(trainer: StageTrainer, recipe: StageRecipe, folder: Path, output_dir: Path) -> Path:
    """Write what was trained; every process returns when it is there."""
    result = output_dir / (MODEL_FOLDER if recipe.lora_merge or not recipe.lora_rank else ADAPTER_FOLDER)
    network: Any = trainer.accelerator.unwrap_model(trainer.model)
    if trainer.is_world_process_zero():
        if recipe.lora_rank:
            with replacing(output_dir / ADAPTER_FOLDER) as adapter:
                network.save_pretrained(str(adapter))
            network = network.merge_and_unload()
        if result.name == MODEL_FOLDER:
            state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
            write_checkpoint(folder, {recipe.part: state}, result)
        print(f"written: {result}", file=sys.stderr, flush=True)
    trainer.accelerator.wait_for_everyone()
    return result


__all__ = ["train_stage"]
