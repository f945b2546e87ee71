"""Tiny checkpoints for the tests: Bark's real ids and layout, networks of width 32, a codec of 4 filters."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertTokenizer, EncodecConfig

from bark_hf import BarkConfig, BarkModel, BarkProcessor, VoicePrompt

TINY = {"num_layers": 2, "num_heads": 2, "hidden_size": 32, "bias": False, "initializer_range": 0.2}
WORDS = ["hello", "world", "this", "is", "a", "test", "of", "bark", "pizza", "##s", "##ing", "the", "cat", "sat", "on"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'[]"

SHARED = Path(os.environ.get("BARK_HF_SHARED", Path(__file__).parents[2] / "shared"))
needs_goldens = pytest.mark.skipif(
    not (SHARED / "goldens").is_dir(),
    reason="Suno's reference outputs are not part of the package; point BARK_HF_SHARED at the folder that has goldens/",
)
needs_voices = pytest.mark.skipif(
    not (SHARED / "data" / "suno_voices").is_dir(),
    reason="Suno's voice prompts are not part of the package; point BARK_HF_SHARED at the folder that has data/",
)


def tiny_config(**codec: object) -> BarkConfig:
    """Bark's vocabularies, 2 layers of width 32, a codec with 8 codebooks and 320 samples per frame."""
    codec_config = EncodecConfig(
        num_filters=4, hidden_size=16, num_lstm_layers=1, target_bandwidths=[6.0], kernel_size=5, last_kernel_size=5
    )
    return BarkConfig(
        semantic_config=dict(TINY),
        coarse_acoustics_config=dict(TINY),
        fine_acoustics_config=dict(TINY),
        codec_config=codec_config.to_dict() | codec,
    )


def tiny_model(seed: int = 0) -> BarkModel:
    """A model of `tiny_config` with random weights, large enough that tokens are not near ties."""
    torch.manual_seed(seed)
    model = BarkModel(tiny_config()).eval()
    for name, buffer in model.codec_model.named_buffers():
        if name.endswith(("embed", "embed_avg")):
            buffer.normal_()
    return model


def enable_checkpointing(network: torch.nn.Module) -> None:
    """Gradient checkpointing, by the name that this version of Transformers does not warn about."""
    getattr(network, "activation_checkpointing_enable", network.gradient_checkpointing_enable)()


def tiny_tokenizer(folder: Path) -> BertTokenizer:
    """A WordPiece tokenizer that can spell any lower-case English text."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *("##" + letter for letter in LETTERS), *WORDS]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)) + "\n", encoding="utf-8")
    return BertTokenizer(vocab=str(folder / "vocab.txt"))


def tiny_voice(seconds: float = 3.0, seed: int = 0) -> VoicePrompt:
    """A valid voice of random tokens."""
    rng = np.random.default_rng(seed)
    n_tokens, n_frames = int(seconds * 49.9), int(seconds * 75)
    fine = rng.integers(0, 1024, (8, n_frames))
    return VoicePrompt(rng.integers(0, 10_000, n_tokens), fine[:2], fine)


def tiny_checkpoint(folder: Path, seed: int = 0) -> Path:
    """A complete folder in the Hub's layout: model, generation config, tokenizer and two voices."""
    tiny_model(seed).save_pretrained(folder)
    processor = BarkProcessor(tiny_tokenizer(folder))
    processor.add_voice("v2/en_speaker_6", tiny_voice(3.0, 6))
    processor.add_voice("de_speaker_1", tiny_voice(4.0, 1))
    processor.save_pretrained(folder)
    return folder


def add_to_hub_cache(checkpoint: Path, cache: Path, repo_id: str) -> Path:
    """Put a folder into a Hub cache as huggingface_hub leaves it: a snapshot of links into blobs."""
    repository = cache / f"models--{repo_id.replace('/', '--')}"
    snapshot, blobs = repository / "snapshots" / ("0" * 40), repository / "blobs"
    blobs.mkdir(parents=True)
    for number, file in enumerate(path for path in checkpoint.rglob("*") if path.is_file()):
        shutil.copy(file, blobs / str(number))
        link = snapshot / file.relative_to(checkpoint)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blobs / str(number))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    return snapshot
