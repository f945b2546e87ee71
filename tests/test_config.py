"""Network configs: the Hub's JSON both ways, and values that are refused before a network is built."""

from __future__ import annotations

import json

import pytest
import transformers
from tiny import tiny_config
from transformers import AutoConfig, EncodecConfig

from bark_hf import BarkCoarseConfig, BarkConfig, BarkFineConfig, BarkSemanticConfig

# What a nested config of the Hub's files of 2023 carries besides its own fields.
INHERITED = {
    "_name_or_path": "", "add_cross_attention": False, "architectures": None, "bad_words_ids": None,
    "begin_suppress_tokens": None, "bos_token_id": None, "chunk_size_feed_forward": 0,
    "cross_attention_hidden_size": None,
    "decoder_start_token_id": None, "diversity_penalty": 0.0, "do_sample": False, "early_stopping": False,
    "encoder_no_repeat_ngram_size": 0, "eos_token_id": None, "exponential_decay_length_penalty": None,
    "finetuning_task": None, "forced_bos_token_id": None, "forced_eos_token_id": None,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "is_decoder": False, "is_encoder_decoder": False,
    "label2id": {"LABEL_0": 0, "LABEL_1": 1}, "length_penalty": 1.0, "max_length": 20, "min_length": 0,
    "no_repeat_ngram_size": 0, "num_beam_groups": 1, "num_beams": 1, "num_return_sequences": 1,
    "output_attentions": False, "output_hidden_states": False, "output_scores": False, "pad_token_id": None,
    "prefix": None, "problem_type": None, "pruned_heads": {}, "remove_invalid_values": False, "repetition_penalty": 1.0,
    "return_dict": True, "return_dict_in_generate": False, "sep_token_id": None, "suppress_tokens": None,
    "task_specific_params": None, "temperature": 1.0, "tf_legacy_loss": False, "tie_encoder_decoder": False,
    "tokenizer_class": None, "top_k": 50, "top_p": 1.0, "torch_dtype": "float32", "torchscript": False,
    "transformers_version": "4.31.0.dev0", "typical_p": 1.0, "use_bfloat16": False,
}  # fmt: skip


def hub_file(**sizes) -> dict:
    network = {
        "bias": False, "block_size": 1024, "dropout": 0.0, "hidden_size": 768, "initializer_range": 0.02,
        "num_heads": 12, "num_layers": 12, "use_cache": True, **INHERITED,
    } | sizes  # fmt: skip
    return {
        "_commit_hash": None,
        "architectures": ["BarkModel"],
        "semantic_config": network
        | {"input_vocab_size": 129_600, "output_vocab_size": 10_048, "model_type": "semantic"},
        "coarse_acoustics_config": network
        | {"input_vocab_size": 12_096, "output_vocab_size": 12_096, "model_type": "coarse_acoustics"},
        "fine_acoustics_config": network
        | {
            "input_vocab_size": 1_056, "output_vocab_size": 1_056, "model_type": "fine_acoustics",
            "n_codes_given": 1, "n_codes_total": 8,
        },
        "codec_config": EncodecConfig().to_dict() | INHERITED,
        "initializer_range": 0.02,
        "model_type": "bark",
        "torch_dtype": "float32",
        "transformers_version": None,
    }  # fmt: skip


def test_hub_file_is_read_and_written(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(hub_file()))
    config = AutoConfig.from_pretrained(tmp_path)
    assert type(config) is BarkConfig
    assert type(config.semantic_config) is BarkSemanticConfig
    assert type(config.fine_acoustics_config) is BarkFineConfig
    assert config.semantic_config.input_vocab_size == 129_600
    assert config.fine_acoustics_config.output_vocab_size == 1_056
    assert config.semantic_config.bias is False
    assert config.sampling_rate == 24_000
    config.save_pretrained(tmp_path / "out")
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    own = ("block_size", "hidden_size", "num_layers", "num_heads", "bias", "input_vocab_size", "output_vocab_size")
    for part in ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config"):
        for name in own:
            assert written[part][name] == hub_file()[part][name]
    again = BarkConfig.from_pretrained(tmp_path / "out")
    path = {"_name_or_path": ""}
    assert again.to_dict() | path == config.to_dict() | path
    theirs = transformers.BarkConfig.from_pretrained(tmp_path / "out")
    for part in ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config"):
        for name in own:
            assert getattr(getattr(theirs, part), name) == getattr(getattr(config, part), name)


def test_defaults_are_bark_small():
    config = BarkConfig()
    assert (config.semantic_config.input_vocab_size, config.semantic_config.output_vocab_size) == (129_600, 10_048)
    assert config.coarse_acoustics_config.input_vocab_size == 12_096
    assert config.fine_acoustics_config.output_vocab_size == 1_056
    assert config.codec_config.model_type == "encodec"


def test_transformers_names():
    config = BarkSemanticConfig(num_layers=3, num_heads=4, hidden_size=64)
    assert (config.num_hidden_layers, config.num_attention_heads) == (3, 4)
    assert (config.vocab_size, config.window_size) == (config.input_vocab_size, config.block_size)
    config.num_hidden_layers = 5
    assert config.num_layers == 5


def test_sub_configs_may_be_classes_or_dicts():
    part = BarkCoarseConfig(num_layers=2)
    assert BarkConfig(coarse_acoustics_config=part).coarse_acoustics_config is part
    assert BarkConfig(coarse_acoustics_config={"num_layers": 2}).coarse_acoustics_config.num_layers == 2
    assert tiny_config().codec_config.num_quantizers == 8


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: BarkSemanticConfig(num_heads=5), "hidden_size=768 must be a multiple of num_heads=5"),
        (lambda: BarkSemanticConfig(hidden_size=0), "hidden_size=0 must be an integer of at least 1"),
        (lambda: BarkSemanticConfig(num_layers=-1), "num_layers=-1"),
        (lambda: BarkSemanticConfig(block_size=0), "block_size=0"),
        (lambda: BarkCoarseConfig(input_vocab_size=0), "input_vocab_size=0"),
        (lambda: BarkCoarseConfig(output_vocab_size=-7), "output_vocab_size=-7"),
        (lambda: BarkCoarseConfig(hidden_size="wide"), "hidden_size='wide'|hidden_size"),
        (lambda: BarkCoarseConfig(dropout=1.0), "dropout=1.0 must be at least 0 and below 1"),
        (lambda: BarkCoarseConfig(dropout=-0.1), "dropout=-0.1"),
        (lambda: BarkFineConfig(n_codes_given=8), "n_codes_given=8 must be at least 1 and below n_codes_total=8"),
        (lambda: BarkFineConfig(n_codes_given=0), "n_codes_given=0"),
        (lambda: BarkFineConfig(output_vocab_size=1024), "tie_word_embeddings=True needs equal vocabularies"),
        (lambda: BarkConfig(semantic_config={"num_heads": 7}), "must be a multiple of num_heads=7"),
        (lambda: BarkConfig(semantic_config=5), "semantic_config"),
    ],
)
def test_bad_values(build, message):
    with pytest.raises(Exception, match=message):
        build()
