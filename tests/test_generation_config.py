"""Generation configs: round trips, Hub dumps, refusal of what is unknown, and every way onto a model."""

from __future__ import annotations

import copy
import json
import math

import pytest
from tiny import tiny_model
from transformers import GenerationConfig
from transformers.models.bark.generation_configuration_bark import BarkGenerationConfig as TheirGenerationConfig

from bark_hf import (
    BarkCoarseGenerationConfig,
    BarkFineGenerationConfig,
    BarkGenerationConfig,
    BarkModel,
    BarkSemanticGenerationConfig,
)


def hub_dump() -> dict:
    """`generation_config.json` as Transformers 4.31 wrote it for the Hub: Bark's options among dozens of defaults."""
    inherited = {
        "_from_model_config": False, "bad_words_ids": None, "begin_suppress_tokens": None, "bos_token_id": None,
        "constraints": None, "decoder_start_token_id": None, "diversity_penalty": 0.0, "do_sample": False,
        "early_stopping": False, "encoder_no_repeat_ngram_size": 0, "encoder_repetition_penalty": 1.0,
        "eos_token_id": None, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0, "exponential_decay_length_penalty": None,
        "force_words_ids": None, "forced_bos_token_id": None, "forced_eos_token_id": None, "generation_kwargs": {},
        "guidance_scale": None, "length_penalty": 1.0, "max_length": 20, "max_new_tokens": None, "max_time": None,
        "min_length": 0, "min_new_tokens": None, "no_repeat_ngram_size": 0, "num_beam_groups": 1, "num_beams": 1,
        "num_return_sequences": 1, "output_attentions": False, "output_hidden_states": False, "output_scores": False,
        "pad_token_id": None, "penalty_alpha": None, "remove_invalid_values": False, "renormalize_logits": True,
        "repetition_penalty": 1.0, "return_dict_in_generate": False, "sequence_bias": None, "suppress_tokens": None,
        "temperature": 1.0, "top_k": 50, "top_p": 1.0, "transformers_version": "4.31.0.dev0", "typical_p": 1.0,
        "use_cache": True,
    }  # fmt: skip
    semantic = {
        "do_sample": True, "temperature": 0.7, "eos_token_id": 10_000, "max_new_tokens": 768,
        "max_input_semantic_length": 256, "semantic_infer_token": 129_599, "semantic_pad_token": 10_000,
        "semantic_rate_hz": 49.9, "semantic_vocab_size": 10_000, "text_encoding_offset": 10_048,
        "text_pad_token": 129_595, "model_type": "semantic",
    }  # fmt: skip
    coarse = {
        "do_sample": True, "temperature": 0.7, "coarse_infer_token": 12_050, "coarse_rate_hz": 75,
        "coarse_semantic_pad_token": 12_048, "max_coarse_history": 630, "max_coarse_input_length": 256,
        "n_coarse_codebooks": 2, "sliding_window_len": 60, "model_type": "coarse_acoustics",
    }  # fmt: skip
    fine = {
        "temperature": 0.5, "max_fine_history_length": 512, "max_fine_input_length": 1_024, "n_fine_codebooks": 8,
        "model_type": "fine_acoustics",
    }  # fmt: skip
    drop = ("eos_token_id", "max_new_tokens")  # not in the dumps of the coarse and fine stage with a value
    plain = {key: value for key, value in inherited.items() if key not in drop}
    return {
        "semantic_config": inherited | semantic,
        "coarse_acoustics_config": plain | coarse | {"eos_token_id": None, "max_new_tokens": None},
        "fine_acoustics_config": plain | fine,
        "codebook_size": 1_024,
        "sample_rate": 24_000,
        "model_type": "bark",
        "transformers_version": "4.31.0.dev0",
    }


def test_defaults_are_sunos():
    config = BarkGenerationConfig()
    semantic, coarse, fine = (config.stage(name) for name in ("semantic", "coarse", "fine"))
    assert (semantic.temperature, coarse.temperature, fine.temperature) == (0.7, 0.7, 0.5)
    assert semantic.min_eos_p == 0.2
    assert semantic.max_new_tokens == 768
    assert semantic.max_duration_s is None
    for stage in (semantic, coarse, fine):
        assert stage.top_k is None
        assert stage.top_p is None
        assert not stage.greedy


def test_hub_dump_is_read(tmp_path):
    """What the file says is respected (top_k 50), what it leaves out is Suno's (min_eos_p 0.2); the fine stage of
    Transformers has no option but a temperature, so do_sample=False in its dump does not mean greedy."""
    (tmp_path / "generation_config.json").write_text(json.dumps(hub_dump()))
    config = BarkGenerationConfig.from_pretrained(tmp_path)
    assert config.semantic_config.top_k == config.coarse_acoustics_config.top_k == 50
    assert config.semantic_config.min_eos_p == 0.2
    assert config.fine_acoustics_config.temperature == 0.5
    assert not config.fine_acoustics_config.greedy
    assert config.fine_acoustics_config.top_k is None


def test_hub_dump_reaches_a_loaded_model(checkpoint, tmp_path):
    import shutil

    folder = tmp_path / "dump"
    shutil.copytree(checkpoint, folder)
    (folder / "generation_config.json").write_text(json.dumps(hub_dump()))
    assert BarkModel.from_pretrained(folder).generation_config.semantic_config.top_k == 50
    (folder / "generation_config.json").unlink()
    assert BarkModel.from_pretrained(folder).generation_config == BarkGenerationConfig()


def test_round_trip(tmp_path):
    config = BarkGenerationConfig(
        semantic_config={"temperature": 0.6, "min_eos_p": None, "max_duration_s": 5.0},
        coarse_acoustics_config=BarkCoarseGenerationConfig(top_k=10, sliding_window_len=30),
        fine_acoustics_config={"do_sample": False},
        sample_rate=16_000,
    )
    config.save_pretrained(tmp_path)
    assert BarkGenerationConfig.from_pretrained(tmp_path) == config
    assert BarkGenerationConfig.from_pretrained(tmp_path).fine_acoustics_config.greedy
    assert BarkGenerationConfig.from_dict(config.to_dict()) == config
    assert copy.deepcopy(config) == config
    for stage in (BarkSemanticGenerationConfig, BarkCoarseGenerationConfig, BarkFineGenerationConfig):
        stage().save_pretrained(tmp_path)
        assert stage.from_pretrained(tmp_path) == stage()


def test_model_round_trip(tmp_path):
    model = tiny_model()
    model.generation_config.semantic_config.temperature = 0.33
    model.save_pretrained(tmp_path)
    assert BarkModel.from_pretrained(tmp_path).generation_config == model.generation_config


def test_every_way_onto_a_model():
    model = tiny_model()
    assert model.generation_config == BarkGenerationConfig()  # constructor
    model.generation_config = BarkGenerationConfig(semantic_config={"temperature": 0.1})
    assert model.generation_config.semantic_config.temperature == 0.1
    model.generation_config = {"semantic_config": {"temperature": 0.2}}
    assert model.generation_config.semantic_config.temperature == 0.2
    model.generation_config = GenerationConfig(temperature=0.3, do_sample=True)  # flat: every stage
    assert [model.generation_config.stage(s).temperature for s in ("semantic", "coarse", "fine")] == [0.3] * 3
    model.generation_config = GenerationConfig(**hub_dump())  # nested, as `GenerationConfig.from_pretrained` reads it
    assert model.generation_config.coarse_acoustics_config.top_k == 50
    theirs = TheirGenerationConfig(semantic_config={"temperature": 0.4, "do_sample": True})
    model.generation_config = theirs
    assert model.generation_config.semantic_config.temperature == 0.4
    with pytest.raises(TypeError, match="generation_config must be"):
        model.generation_config = "greedy"


def test_routing_and_precedence():
    config = BarkGenerationConfig().with_keywords(
        temperature=0.9,
        coarse_temperature=0.8,
        top_k=20,
        fine_top_k=None,
        max_new_tokens=5,
        coarse_sliding_window_len=30,
    )
    semantic, coarse, fine = (config.stage(name) for name in ("semantic", "coarse", "fine"))
    assert (semantic.temperature, coarse.temperature, fine.temperature) == (0.9, 0.8, 0.9)
    assert (semantic.top_k, coarse.top_k, fine.top_k) == (20, 20, None)
    assert semantic.max_new_tokens == 5
    assert coarse.sliding_window_len == 30
    assert BarkGenerationConfig().with_keywords(coarse_coarse_rate_hz=50).coarse_acoustics_config.coarse_rate_hz == 50
    assert (
        BarkGenerationConfig().with_keywords(semantic_max_new_tokens=9, max_new_tokens=5).semantic_config.max_new_tokens
        == 9
    )


def test_given_config_beats_the_models_and_keywords_beat_both(model):
    inputs = {"input_ids": [[5, 6, 7]], "return_dict_in_generate": True, "seed": 0}
    given = BarkGenerationConfig(semantic_config={"max_new_tokens": 4, "min_eos_p": None})
    out = model.generate(**inputs, generation_config=given)
    assert out.semantic_lengths.item() == 4
    out = model.generate(**inputs, generation_config=given, max_new_tokens=3)
    assert out.semantic_lengths.item() == 3
    flat = GenerationConfig(max_new_tokens=2)
    out = model.generate(**inputs, generation_config=flat, min_eos_p=None)
    assert out.semantic_lengths.item() == 2
    assert out.generation_config.semantic_config.temperature == 0.7  # from the model's config


def test_keywords_never_change_the_models_config(model):
    before = copy.deepcopy(model.generation_config)
    model.generate([[5, 6]], temperature=0.2, max_new_tokens=2, coarse_top_k=4)
    assert model.generation_config == before


def test_idle_temperature_warns():
    greedy = BarkGenerationConfig(
        semantic_config={"do_sample": False},
        coarse_acoustics_config={"do_sample": False},
        fine_acoustics_config={"do_sample": False},
    )
    with pytest.warns(UserWarning, match="do_sample=False"):
        greedy.with_keywords(temperature=0.5)


BAD_KEYWORDS = [
    ({"temprature": 1.0}, TypeError, "unknown keyword 'temprature'. Did you mean 'temperature'"),
    ({"fine_typo": 1}, TypeError, "unknown keyword 'fine_typo'"),
    ({"coarse_min_eos_p": 0.2}, TypeError, "unknown keyword 'coarse_min_eos_p'"),
    ({"num_beams": 4}, TypeError, "unknown keyword 'num_beams'"),
    ({"temperature": math.nan}, ValueError, "temperature=nan must be a finite number"),
    ({"temperature": math.inf}, ValueError, "temperature=inf must be a finite number"),
    ({"temperature": -0.5}, ValueError, "temperature=-0.5 .*at least 0"),
    ({"temperature": "hot"}, ValueError, "temperature='hot'"),
    ({"top_k": -1}, ValueError, "top_k=-1 must be an integer of at least 1"),
    ({"top_k": 2.5}, ValueError, "top_k=2.5"),
    ({"top_p": 0.0}, ValueError, "top_p=0.0 must be above 0 and at most 1"),
    ({"top_p": 1.5}, ValueError, "top_p=1.5"),
    ({"min_eos_p": 0}, ValueError, "min_eos_p=0 must be above 0"),
    ({"min_eos_p": 2}, ValueError, "min_eos_p=2"),
    ({"max_new_tokens": 0}, ValueError, "max_new_tokens=0"),
    ({"max_duration_s": -1}, ValueError, "max_duration_s=-1 must be a positive number"),
    ({"do_sample": "yes"}, ValueError, "do_sample='yes'"),
    ({"coarse_sliding_window_len": 0}, ValueError, "sliding_window_len=0 must be an integer of at least 1"),
    ({"coarse_max_coarse_history": 30}, ValueError, "max_coarse_history=30 must be an integer of at least 60"),
    ({"fine_max_fine_history_length": 1024}, ValueError, "max_fine_history_length=1024 must be below"),
]


@pytest.mark.parametrize(("keywords", "error", "message"), BAD_KEYWORDS)
def test_bad_keywords(keywords, error, message, model):
    with pytest.raises(error, match=message):
        model.generate([[5, 6]], **keywords)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: BarkGenerationConfig(temperature=1), TypeError, "no option 'temperature'.*go into semantic_config"),
        (lambda: BarkGenerationConfig(semantic_cfg={}), TypeError, "Did you mean 'semantic_config'"),
        (
            lambda: BarkGenerationConfig(semantic_config=3),
            TypeError,
            "must be a BarkSemanticGenerationConfig or a dict",
        ),
        (
            lambda: BarkGenerationConfig({"temprature": 1}),
            TypeError,
            "no option 'temprature'. Did you mean 'temperature'",
        ),
        (
            lambda: BarkGenerationConfig({"num_beams": 4}),
            ValueError,
            "num_beams=4 is an option that Bark's stages do not",
        ),
        (lambda: BarkGenerationConfig({"repetition_penalty": 1.2}), ValueError, "logits_processor"),
        (lambda: BarkSemanticGenerationConfig(foo=1), TypeError, "no option 'foo'"),
        (lambda: BarkSemanticGenerationConfig(eos_token_id=5), ValueError, "eos_token_id=5 must be at least"),
        (lambda: BarkSemanticGenerationConfig(semantic_rate_hz=0), ValueError, "semantic_rate_hz=0"),
        (lambda: BarkGenerationConfig(codebook_size=0), ValueError, "codebook_size=0"),
        (lambda: BarkGenerationConfig({}, {"n_coarse_codebooks": 8, "sliding_window_len": 64}), ValueError, "n_coarse"),
    ],
)
def test_bad_configs(build, error, message):
    with pytest.raises(error, match=message):
        build()
