"""The API where Transformers 5.23 ignores, overwrites or crashes. Rows of docs/parity.md."""

from __future__ import annotations

import copy
import logging
import warnings

import numpy as np
import pytest
import torch
from fakes import (
    coarse_ids,
    failure,
    fine_codes,
    flattened,
    is_ours,
    on_transformers,
    recorded,
    stage_config,
    suno_coarse,
    text_batch,
    transformers_bark,
    transformers_configs,
    transformers_models,
)
from tiny import enable_checkpointing, tiny_config
from transformers.models.bark.processing_bark import BarkProcessor as TransformersProcessor
from transformers.utils import logging as transformers_logging

import bark_hf
from bark_hf import BarkGenerationConfig, BarkModel, BarkProcessor

SHORT = {"do_sample": False, "semantic_max_new_tokens": 3, "semantic_min_eos_p": None}


@pytest.fixture(scope="module")
def theirs(checkpoint):
    """Transformers' model with the weights of `model`."""
    return transformers_bark(checkpoint)


@pytest.fixture(scope="module")
def processors(checkpoint):
    """Our processor and Transformers'."""
    return BarkProcessor.from_pretrained(checkpoint), TransformersProcessor.from_pretrained(checkpoint)


@pytest.fixture
def records():
    """What the loggers of Transformers and of this package say, each message as if for the first time."""
    caught: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            caught.append(record.getMessage())

    handler = Handler(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("transformers", "bark_hf")]
    for logger in loggers:
        logger.addHandler(handler)
    transformers_logging.warning_once.cache_clear()
    yield caught
    for logger in loggers:
        logger.removeHandler(handler)


def fresh(model) -> torch.nn.Module:
    """A new model of the same implementation, made from its config alone."""
    return type(model)(copy.deepcopy(model.config)).eval()


# --- generation configs


def test_a_model_made_from_its_config_can_generate(model, theirs):
    """`BarkModel(config).generate(...)` fails in Transformers: a fresh model gets a flat generation config in which the
    stages are missing."""

    def audio(model) -> torch.Tensor:
        return fresh(model).generate(**text_batch(), **SHORT)

    assert audio(model).shape == (1, 4 * 320)
    on_transformers(lambda: isinstance(failure(lambda: audio(theirs)), AttributeError))


def typed(model) -> torch.nn.Module:
    """A fresh model that was given the typed generation config of its implementation."""
    made = fresh(model)
    made.generation_config = (bark_hf if is_ours(model) else transformers_configs).BarkGenerationConfig()
    return made


def test_typed_generation_config_generates(model, theirs):
    """Transformers documents `BarkGenerationConfig`, but `generate` works only while the stages are plain dicts."""
    call = {**text_batch(), "semantic_max_new_tokens": 3}
    assert typed(model).generate(**call, semantic_min_eos_p=None, do_sample=False).shape == (1, 4 * 320)
    on_transformers(lambda: isinstance(failure(lambda: typed(theirs).generate(**call)), TypeError))


def test_typed_generation_config_is_saved_and_read(model, theirs, tmp_path):
    """The same config breaks Transformers' `save_pretrained`; here it comes back equal."""
    made = typed(model)
    made.generation_config = BarkGenerationConfig(semantic_config={"temperature": 0.61, "max_new_tokens": 7})
    made.save_pretrained(tmp_path / "ours")
    read = BarkModel.from_pretrained(tmp_path / "ours").generation_config
    assert isinstance(read, BarkGenerationConfig)
    assert read.to_dict() == made.generation_config.to_dict()
    assert (read.semantic_config.temperature, read.coarse_acoustics_config.temperature) == (0.61, 0.7)
    on_transformers(lambda: failure(lambda: typed(theirs).save_pretrained(tmp_path / "theirs")) is not None)


def test_given_generation_config_is_used(model, theirs):
    """`generate(generation_config=...)` is taken out of the keywords by Transformers and thrown away."""

    def samples(model, max_new_tokens: int) -> int:
        module = bark_hf if is_ours(model) else transformers_configs
        stage = stage_config(model, "Semantic", max_new_tokens=max_new_tokens, do_sample=False).to_dict()
        config = module.BarkGenerationConfig(semantic_config=stage)
        # a limit of its own for Transformers, which would go on for 768 tokens
        limit = {} if is_ours(model) else {"semantic_max_new_tokens": 6}
        return model.generate(**text_batch(), generation_config=config, min_eos_p=None, **limit).shape[1]

    assert [samples(model, n) for n in (2, 5)] == [3 * 320, 7 * 320]
    on_transformers(lambda: [samples(theirs, n) for n in (2, 5)] == [9 * 320, 9 * 320])


def test_given_generation_config_leaves_the_model_s_alone(model):
    """A config or keyword for one call is for one call."""
    before = model.generation_config.to_dict()
    model.generate(**text_batch(), generation_config=BarkGenerationConfig(semantic_config={"max_new_tokens": 2}))
    model.generate(**text_batch(), **SHORT, temperature=0.1)
    assert model.generation_config.to_dict() == before


# --- keywords


def test_max_new_tokens_is_the_semantic_stage_s(model, theirs):
    """Everybody's first keyword raises in Transformers, because the coarse stage is given it a second time."""

    def samples(model) -> int:
        return model.generate(**text_batch(), max_new_tokens=4, do_sample=False, min_eos_p=None).shape[1]

    assert samples(model) == 6 * 320
    on_transformers(lambda: isinstance(failure(lambda: samples(theirs)), TypeError))


def test_coarse_window_and_history_keywords_are_used(model, theirs):
    """`coarse_sliding_window_len` and `coarse_max_coarse_history` change nothing in Transformers: the stage reads its
    config object and not the keyword."""
    call = {**text_batch(), **SHORT, "semantic_max_new_tokens": 40}
    smaller = {"coarse_sliding_window_len": 20, "coarse_max_coarse_history": 60}

    out = model.generate(**call, **smaller, return_dict_in_generate=True)
    expected = suno_coarse(model.coarse_acoustics, out.semantic_tokens[0].tolist(), None, max_history=60, window=20)
    assert np.array_equal(out.coarse_codes[0].numpy(), expected)
    usual = model.generate(**call, return_dict_in_generate=True).coarse_codes[0].numpy()
    assert not np.array_equal(usual, expected)  # the keywords do matter here

    def ignored() -> bool:
        with recorded(theirs) as tokens:
            theirs.generate(**call)
            without = tokens["coarse_acoustics"]
            theirs.generate(**call, **smaller)
        return torch.equal(tokens["coarse_acoustics"], without)

    on_transformers(ignored)


@pytest.mark.parametrize(
    ("keyword", "near"),
    [
        ("fine_temprature", "fine_temperature"),
        ("fine_topp", "fine_top_p"),
        ("coarse_sliding_window_length", "coarse_sliding_window_len"),
        ("semantic_max_tokens", "semantic_max_new_tokens"),
        ("temperatur", "temperature"),
        ("max_duration", "max_duration_s"),
    ],
)
def test_misspelt_keywords_are_refused_with_the_nearest_name(model, theirs, keyword, near):
    """Transformers' fine stage takes any keyword and uses one; a misspelt one was as good as none."""
    error = failure(lambda: model.generate(**text_batch(), **SHORT, **{keyword: 0.3}))
    assert isinstance(error, TypeError)
    assert f"{keyword!r}" in str(error)
    assert f"Did you mean {near!r}?" in str(error)
    if keyword.startswith("fine_"):
        on_transformers(lambda: failure(lambda: theirs.generate(**text_batch(), **SHORT, **{keyword: 0.3})) is None)


# --- networks


def test_bfloat16_model_gives_float32_audio(checkpoint):
    """Audio of a bf16 model came out as bf16, which NumPy does not know: `.numpy()` and every file writer failed."""

    def array(load) -> np.ndarray:
        model = load(checkpoint, dtype=torch.bfloat16)
        assert model.dtype == torch.bfloat16
        return model.generate(**text_batch(), **SHORT).numpy()

    audio = array(BarkModel.from_pretrained)
    assert audio.dtype == np.float32
    assert np.isfinite(audio).all()
    on_transformers(lambda: isinstance(failure(lambda: array(transformers_bark)), TypeError))


def test_sdpa_is_available_and_equal(checkpoint):
    """Transformers' Bark has eager attention alone (and FlashAttention-2)."""
    models = [BarkModel.from_pretrained(checkpoint, attn_implementation=name) for name in ("sdpa", "eager")]
    assert [model.semantic.config._attn_implementation for model in models] == ["sdpa", "eager"]
    ids = torch.randint(10_000, (2, 40), generator=torch.Generator().manual_seed(0))
    codes = torch.randint(1_024, (2, 40, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        sdpa, eager = ([model.semantic(ids).logits, model.fine_acoustics(3, codes).logits] for model in models)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(sdpa, eager, strict=True))
    refused = lambda: transformers_bark(checkpoint, attn_implementation="sdpa")  # noqa: E731
    on_transformers(lambda: isinstance(failure(refused), ValueError))


def losses(model) -> list[torch.Tensor]:
    """Loss of each stage for fixed tokens."""
    rng = torch.Generator().manual_seed(0)
    ids, codes = torch.randint(10_000, (2, 12), generator=rng), torch.randint(1_024, (2, 12, 8), generator=rng)
    return [
        model.semantic(input_ids=ids, labels=ids).loss,
        model.coarse_acoustics(input_ids=ids, labels=ids).loss,
        model.fine_acoustics(4, input_ids=codes, labels=codes[:, :, 4]).loss,
    ]


def test_labels_give_a_loss_in_every_stage(model, theirs):
    """Transformers raises NotImplementedError; the oracle is the mean of -log p written out from its logits."""
    rng = torch.Generator().manual_seed(0)
    ids, codes = torch.randint(10_000, (2, 12), generator=rng), torch.randint(1_024, (2, 12, 8), generator=rng)

    def mean_surprise(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return -logits.log_softmax(-1).gather(-1, labels[..., None]).mean()

    with torch.no_grad():
        found = losses(model)
        expected = [
            mean_surprise(theirs.semantic(input_ids=ids).logits[:, :-1], ids[:, 1:]),
            mean_surprise(theirs.coarse_acoustics(input_ids=ids).logits[:, :-1], ids[:, 1:]),
            mean_surprise(theirs.fine_acoustics(4, input_ids=codes).logits, codes[:, :, 4]),
        ]
    assert torch.allclose(torch.stack(found), torch.stack(expected), atol=1e-4)
    on_transformers(lambda: isinstance(failure(lambda: losses(theirs)), NotImplementedError))


def test_gradient_checkpointing(model, theirs):
    """Transformers' Bark refuses it; here it saves memory and leaves the gradients as they are."""

    def gradients(model, checkpointing: bool) -> list[torch.Tensor]:
        made = copy.deepcopy(model).train()
        if checkpointing:
            enable_checkpointing(made)
        sum(losses(made)).backward()
        return [p.grad for n, p in made.named_parameters() if "codec" not in n and p.grad is not None]

    plain, checkpointed = gradients(model, False), gradients(model, True)
    assert len(plain) == len(checkpointed) > 30
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(plain, checkpointed, strict=True))
    refused = lambda: enable_checkpointing(fresh(theirs))  # noqa: E731
    on_transformers(lambda: isinstance(failure(refused), ValueError))


def test_caller_s_semantic_tensor_is_not_overwritten(model, theirs):
    """Transformers' coarse stage replaces the pad tokens in its caller's tensor, in place."""

    def tokens_afterwards(model) -> list[list[int]]:
        semantic = torch.tensor([[1, 2, 3, 10_000], [4, 5, 6, 7]])
        coarse_ids(model, semantic, do_sample=False)
        return semantic.tolist()

    assert tokens_afterwards(model) == [[1, 2, 3, 10_000], [4, 5, 6, 7]]
    on_transformers(lambda: tokens_afterwards(theirs)[0] == [1, 2, 3, 12_048])


def test_fine_stage_leaves_its_input_alone(model):
    """The same question for the next stage: windows are rewritten in a copy."""
    ids = flattened(1_100)
    before = ids.clone()
    fine_codes(model, ids, {"do_sample": False})
    assert torch.equal(ids, before)


def test_sub_models_generate_without_gradients(model, theirs):
    """`generate` of a sub-model needs no `torch.no_grad()` around it, in Transformers neither: nothing is recorded, and
    a second window does not trip over the first one's graph."""

    def ids(model) -> torch.Tensor:
        configs = {
            "semantic_generation_config": stage_config(model, "Semantic"),
            "coarse_generation_config": stage_config(model, "Coarse", do_sample=False, max_coarse_history=60),
        }
        return model.coarse_acoustics.generate(torch.arange(50)[None], **configs)

    assert torch.is_grad_enabled()
    assert ids(model).shape == ids(theirs).shape == (1, 150)


# --- the processor


def test_truncation_and_voice_preset_together(processors):
    """`truncation=True`, the cure for long texts, goes to the voice's validation in Transformers and raises there."""
    ours, theirs = processors

    def call(processor):
        return processor("hello world " * 200, voice_preset="v2/en_speaker_6", truncation=True)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inputs = call(ours)
    assert inputs["input_ids"].shape == (1, 256)
    assert inputs["history_prompt"][0] == ours.voice("v2/en_speaker_6")
    on_transformers(lambda: isinstance(failure(lambda: call(theirs)), TypeError))


def test_long_text_in_a_batch_is_cut_with_a_warning(processors):
    """A text over 256 tokens makes Transformers' processor raise beside a short one, and return 300 ids alone."""
    ours, theirs = processors
    long = "hello " * 300
    with pytest.warns(UserWarning, match="Text 0 has 300 tokens, but 256 are read: the last 44"):
        batch = ours([long, "a test"])
    with pytest.warns(UserWarning, match="Text 0 has 300 tokens"):
        assert ours(long)["input_ids"].shape == (1, 256)
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 256)
    assert batch["attention_mask"].sum(1).tolist() == [256, 2]
    on_transformers(lambda: isinstance(failure(lambda: theirs([long, "a test"])), ValueError))
    on_transformers(lambda: theirs(long)["input_ids"].shape == (1, 300))


def test_unknown_voice_is_named(processors):
    """Transformers answers an unknown preset with `FileNotFoundError: 'nope.npz'`, a file that nobody has named."""
    ours, theirs = processors
    with pytest.raises(ValueError, match=r"no voice preset 'nope'.*available_voice_presets"):
        ours("hello", voice_preset="nope")
    with pytest.raises(ValueError, match="Did you mean 'v2/en_speaker_6'"):
        ours("hello", voice_preset="v2/en_speaker_7")
    on_transformers(
        lambda: (
            isinstance(error := failure(lambda: theirs("hello", voice_preset="nope")), FileNotFoundError)
            and "nope.npz" in str(error)
        )
    )


# --- the documented path


def test_documented_path_is_quiet(model, theirs, processors, records):
    """Processor, `generate`, lengths: Transformers warns about its own arguments on every call."""

    def messages(model, processor) -> list[str]:
        records.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            inputs = processor("hello world", voice_preset="v2/en_speaker_6")
            model.generate(**inputs, semantic_max_new_tokens=4)
            model.generate(**processor("hello world"), semantic_max_new_tokens=4, do_sample=True)
        return records + [str(warning.message) for warning in caught]

    assert messages(model, processors[0]) == []
    on_transformers(lambda: len(messages(theirs, processors[1])) > 0)


# --- not wrong


def test_token_types_of_both(model, theirs):
    """Not wrong: Transformers returns some ids as int32 and some as int64, here all are int64. The values agree."""

    def stages(model) -> list[torch.Tensor]:
        if is_ours(model):
            out = model.generate(**text_batch(), **SHORT, return_dict_in_generate=True)
            return [out.semantic_tokens, out.fine_codes]
        with recorded(model) as tokens:
            model.generate(**text_batch(), **SHORT, fine_temperature=None)
        return [tokens["semantic"], tokens["fine_acoustics"]]

    assert [ids.dtype for ids in stages(model)] == [torch.int64, torch.int64]
    on_transformers(lambda: all(torch.equal(a, b.long()) for a, b in zip(stages(model), stages(theirs), strict=True)))


def test_both_read_the_same_config(theirs):
    """Not wrong: `config.json` is Transformers', word for word, so that checkpoints go both ways."""
    assert isinstance(theirs, transformers_models.BarkModel)
    ours = tiny_config().to_dict()
    for stage in ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config", "codec_config"):
        known = theirs.config.to_dict()[stage]
        loaded = {"dtype", "transformers_version", "_name_or_path"}  # say how a model was loaded
        common = (set(known) & set(ours[stage])) - loaded
        assert common >= {"initializer_range"} or stage == "codec_config"
        assert {key: ours[stage][key] for key in common} == {key: known[key] for key in common}
