"""Checkpoints in every form the Hub has, through Transformers' own doors, and back into Transformers."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import transformers
from tiny import add_to_hub_cache, tiny_model
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTextToWaveform,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
    pipeline,
)
from transformers.models.bark import modeling_bark as hf

import bark_hf
from bark_hf import BarkConfig, BarkModel, BarkProcessor

GREEDY = {"do_sample": False, "max_duration_s": 0.3}


def speak(model, processor, **kwargs) -> torch.Tensor:
    return model.generate(**processor("hello world"), **(GREEDY | kwargs))


@pytest.fixture(scope="module")
def reference(checkpoint):
    """Greedy audio of the checkpoint loaded in the ordinary way."""
    return speak(BarkModel.from_pretrained(checkpoint), BarkProcessor.from_pretrained(checkpoint))


def as_old_hub_file(checkpoint: Path, folder: Path, shards: int = 1) -> Path:
    """The same weights as the Hub has them: `.bin`, old weight-norm names, mask buffers, tied heads written twice."""
    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("model.safetensors"))
    state = BarkModel.from_pretrained(checkpoint).state_dict()
    old = {}
    for name, tensor in state.items():
        name = name.replace("parametrizations.weight.original0", "weight_g")
        old[name.replace("parametrizations.weight.original1", "weight_v")] = tensor.clone()
    for stage in ("semantic", "coarse_acoustics"):
        for layer in range(2):
            mask = torch.tril(torch.ones(1024, 1024, dtype=torch.bool)).view(1, 1, 1024, 1024)
            old[f"{stage}.layers.{layer}.attn.bias"] = mask
    assert any(name.endswith("weight_g") for name in old)
    assert "fine_acoustics.lm_heads.0.weight" in old
    if shards == 1:
        torch.save(old, folder / "pytorch_model.bin")
        return folder
    names = [f"pytorch_model-{i + 1:05d}-of-{shards:05d}.bin" for i in range(shards)]
    index = {name: names[i % shards] for i, name in enumerate(old)}
    for file in names:
        torch.save({name: tensor for name, tensor in old.items() if index[name] == file}, folder / file)
    text = json.dumps({"metadata": {}, "weight_map": index})
    (folder / "pytorch_model.bin.index.json").write_text(text)
    return folder


@pytest.mark.parametrize("shards", [1, 3])
def test_old_hub_files_load_without_a_word(checkpoint, tmp_path, reference, caplog, shards):
    folder = as_old_hub_file(checkpoint, tmp_path / "old", shards)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, logger="transformers"):
        warnings.simplefilter("error")
        transformers.logging.get_logger().addHandler(caplog.handler)
        try:
            model, info = BarkModel.from_pretrained(folder, output_loading_info=True)
        finally:
            transformers.logging.get_logger().removeHandler(caplog.handler)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    assert not caplog.records
    assert torch.equal(speak(model, BarkProcessor.from_pretrained(folder)), reference)


def test_sharded_safetensors(checkpoint, tmp_path, reference):
    BarkModel.from_pretrained(checkpoint).save_pretrained(tmp_path, max_shard_size="5MB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    model = BarkModel.from_pretrained(tmp_path)
    assert torch.equal(speak(model, BarkProcessor.from_pretrained(checkpoint)), reference)


def test_auto_classes_give_this_packages_classes(checkpoint, reference):
    assert type(AutoConfig.from_pretrained(checkpoint)) is BarkConfig
    assert type(AutoModel.from_pretrained(checkpoint)) is BarkModel
    assert type(AutoTokenizer.from_pretrained(checkpoint)) is transformers.BertTokenizer
    processor = AutoProcessor.from_pretrained(checkpoint)
    assert type(processor) is BarkProcessor
    model = AutoModelForTextToWaveform.from_pretrained(checkpoint)
    assert type(model) is BarkModel
    assert torch.equal(speak(model, processor), reference)
    assert type(AutoModel.from_config(model.config)) is BarkModel


def test_auto_processor_with_and_without_processor_config(checkpoint, tmp_path):
    """Folders of the Hub name the processor class in tokenizer_config.json, or nowhere."""
    for named in (True, False):
        folder = tmp_path / str(named)
        shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("processor_config.json", "*.safetensors"))
        path = folder / "tokenizer_config.json"
        config = json.loads(path.read_text())
        config.pop("processor_class", None)
        if named:
            config["processor_class"] = "BarkProcessor"
        path.write_text(json.dumps(config))
        assert type(AutoProcessor.from_pretrained(folder)) is BarkProcessor


def test_pipeline(checkpoint, reference):
    speaker = pipeline("text-to-speech", model=str(checkpoint))
    assert type(speaker.model) is BarkModel
    result = speaker("hello world", generate_kwargs=GREEDY)
    assert result["sampling_rate"] == 24_000
    assert torch.equal(torch.from_numpy(result["audio"]), reference[0])
    both = speaker(["hello world", "a cat sat"], batch_size=2, generate_kwargs=GREEDY)
    assert torch.equal(torch.from_numpy(both[0]["audio"]), reference[0])
    voiced = speaker(
        "hello world", preprocess_params={"voice_preset": "v2/en_speaker_6"}, generate_kwargs=GREEDY | {"seed": 3}
    )
    assert voiced["audio"].shape == result["audio"].shape
    assert not (voiced["audio"] == result["audio"]).all()


def test_pipeline_takes_a_generation_config(checkpoint, reference):
    speaker = pipeline("text-to-speech", model=str(checkpoint))
    config = bark_hf.BarkGenerationConfig().with_keywords(**GREEDY)
    result = speaker("hello world", generate_kwargs={"generation_config": config})
    assert torch.equal(torch.from_numpy(result["audio"]), reference[0])


@pytest.mark.parametrize("device_map", ["cpu", {"": "cpu"}, "auto"])
def test_device_map(checkpoint, reference, device_map):
    model = BarkModel.from_pretrained(checkpoint, device_map=device_map)
    assert model.device == torch.device("cpu")
    assert torch.equal(speak(model, BarkProcessor.from_pretrained(checkpoint)), reference)


def test_offloaded_to_disk_by_accelerate(checkpoint, reference, tmp_path):
    """Sub-models whose weights arrive only for their forward, as accelerate does when memory is short."""
    device_map = {"semantic": "cpu", "coarse_acoustics": "disk", "fine_acoustics": "disk", "codec_model": "cpu"}
    model = BarkModel.from_pretrained(checkpoint, device_map=device_map, offload_folder=str(tmp_path))
    assert torch.equal(speak(model, BarkProcessor.from_pretrained(checkpoint)), reference)


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float16])
def test_low_precision_gives_float32_audio(checkpoint, dtype):
    model = BarkModel.from_pretrained(checkpoint, dtype=dtype)
    assert model.dtype in (torch.bfloat16, torch.float16)
    audio = speak(model, BarkProcessor.from_pretrained(checkpoint))
    assert audio.dtype == torch.float32
    assert audio.numpy().shape[1] % 320 == 0


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_implementation_reaches_every_network(checkpoint, reference, attention):
    model = BarkModel.from_pretrained(checkpoint, attn_implementation=attention)
    for network in (model.semantic, model.coarse_acoustics, model.fine_acoustics):
        assert network.config._attn_implementation == attention
    audio = speak(model, BarkProcessor.from_pretrained(checkpoint))
    torch.testing.assert_close(audio, reference, atol=1e-4, rtol=1e-4)
    model.set_attn_implementation({"eager": "sdpa", "sdpa": "eager"}[attention])
    assert model.semantic.config._attn_implementation != attention
    torch.testing.assert_close(speak(model, BarkProcessor.from_pretrained(checkpoint)), reference, atol=1e-4, rtol=1e-4)


def test_hub_cache_offline(checkpoint, reference, tmp_path):
    add_to_hub_cache(checkpoint, tmp_path, "suno/bark-small")
    model = AutoModel.from_pretrained("suno/bark-small", cache_dir=tmp_path, local_files_only=True)
    processor = AutoProcessor.from_pretrained("suno/bark-small", cache_dir=tmp_path, local_files_only=True)
    assert torch.equal(speak(model, processor), reference)
    assert processor("hello", voice_preset="v2/en_speaker_6")["history_prompt"][0] is not None


def test_saved_folder_gives_equal_outputs_in_transformers(checkpoint, tmp_path):
    model = BarkModel.from_pretrained(checkpoint)
    model.save_pretrained(tmp_path)
    theirs = hf.BarkModel.from_pretrained(tmp_path).eval()
    x = torch.randint(0, 1000, (2, 20))
    for ours, other in ((model.semantic, theirs.semantic), (model.coarse_acoustics, theirs.coarse_acoustics)):
        torch.testing.assert_close(ours(x).logits, other(x).logits, atol=1e-5, rtol=1e-5)
    codes = torch.randint(0, 1024, (2, 30, 8))
    torch.testing.assert_close(
        model.fine_acoustics(5, codes).logits, theirs.fine_acoustics(5, codes).logits, atol=1e-5, rtol=1e-5
    )
    frames = torch.randint(0, 1024, (1, 1, 8, 30))
    assert torch.equal(
        model.codec_model.decode(frames, [None]).audio_values, theirs.codec_model.decode(frames, [None]).audio_values
    )
    assert transformers.BarkConfig.from_pretrained(tmp_path).semantic_config.input_vocab_size == 129_600


def test_folder_saved_by_transformers_loads_here(tmp_path):
    ours = tiny_model(3)
    config = transformers.BarkConfig(**{k: v for k, v in ours.config.to_dict().items() if k.endswith("_config")})
    theirs = hf.BarkModel(config)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    theirs.generation_config = GenerationConfig()  # its own typed one cannot be saved
    theirs.save_pretrained(tmp_path)
    loaded = BarkModel.from_pretrained(tmp_path)
    for (name, a), (_, b) in zip(ours.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


def test_documented_path_prints_nothing(checkpoint, tmp_path):
    """The model card's lines in a fresh interpreter: no warning on stderr, nothing on stdout."""
    script = f"""
import bark_hf
from transformers import AutoModel, AutoProcessor, pipeline, logging
logging.disable_progress_bar()
processor = AutoProcessor.from_pretrained({str(checkpoint)!r})
model = AutoModel.from_pretrained({str(checkpoint)!r})
inputs = processor("Hello world", voice_preset="v2/en_speaker_6")
audio = model.generate(**inputs, max_duration_s=0.2)
result = pipeline("text-to-speech", model={str(checkpoint)!r})("Hello world", generate_kwargs=dict(max_duration_s=0.2))
model.save_pretrained({str(tmp_path / "out")!r})
processor.save_pretrained({str(tmp_path / "out")!r})
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    assert run.stderr == ""


def test_missing_weights_are_named(checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(OSError, match=r"model.safetensors"):
        BarkModel.from_pretrained(tmp_path / "bare")
