"""Tiny speech encoders and recordings for the tests of semantic tokenizers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)

TONES_HZ = (300.0, 700.0, 1500.0, 3000.0)  # the sound of label 0, 1, 2, 3


def tiny_hubert(folder: Path, hidden_size: int = 16, num_hidden_layers: int = 2) -> Path:
    """HuBERT with the real strides (320 samples a frame), two layers of width 16."""
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=hidden_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    HubertModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


def tiny_whisper(folder: Path) -> Path:
    """Whisper with windows of 2 s instead of 30."""
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        decoder_layers=1,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        vocab_size=60,
        max_source_positions=100,
        pad_token_id=1,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80, chunk_length=2).save_pretrained(folder)
    return folder


def tone_clip(labels: list[int], seed: int, rate: int = 16_000) -> np.ndarray:
    """One tone per label, 20 ms each, with a little noise: float32 [320 * len(labels)]."""
    rng = np.random.default_rng(seed)
    time = np.arange(len(labels) * rate // 50) / rate
    pitch = np.repeat([TONES_HZ[label] for label in labels], rate // 50)
    noise = 0.01 * rng.standard_normal(time.size)
    return (0.3 * np.sin(2 * np.pi * pitch * time) + noise).astype(np.float32)


def tone_folder(folder: Path, n_clips: int = 12, with_labels: bool = True) -> Path:
    """Recordings of tones that last 0.1-0.3 s, by two speakers; labels at 50 Hz."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    rows = []
    for number in range(n_clips):
        labels = [int(label) for _ in range(6) for label in [rng.integers(4)] * int(rng.integers(5, 15))]
        soundfile.write(folder / f"{number}.wav", tone_clip(labels, number), 16_000)
        row = {"file_name": f"{number}.wav", "text": f"clip {number}", "speaker": f"speaker-{number % 2}"}
        rows.append(row | ({"semantic": labels} if with_labels else {}))
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder
