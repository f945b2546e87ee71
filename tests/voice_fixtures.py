"""Voices, a tiny BERT vocabulary and checkpoint folders for the tests of `voices` and `processing_bark`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from transformers import BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
WORDS = ["Hello", "hello", "world", "Hola", "laughs", "été", "Été", "[", "]", "♪", ",", ".", "?", "你", "好"]
VOCABULARY = [
    *SPECIAL,
    *WORDS,
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
    *(letter.upper() for letter in LETTERS),
]


def arrays(n_tokens: int = 100, n_frames: int = 150, seed: int = 0) -> dict[str, np.ndarray]:
    """A valid voice in Transformers' form."""
    rng = np.random.default_rng(seed)
    fine = rng.integers(0, 1024, (8, n_frames))
    return {
        "semantic_prompt": rng.integers(0, 10_000, n_tokens),
        "coarse_prompt": fine[:2].copy(),
        "fine_prompt": fine,
    }


def tokenizer_json(lowercase: bool = False, vocabulary: list[str] = VOCABULARY) -> str:
    """A `tokenizer.json` over the tiny vocabulary."""
    ids = {token: index for index, token in enumerate(vocabulary)}
    return BertTokenizer(vocab=ids, do_lower_case=lowercase).backend_tokenizer.to_str()


def write_checkpoint(
    folder: Path, files: dict[str, str], voices: dict[str, dict[str, np.ndarray]] | None = None
) -> Path:
    """A folder as the Hub lays it out: `config.json`, the given files, and voices with their list."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"config.json": '{"model_type": "bark"}', **files}.items():
        (folder / name).write_text(content, encoding="utf-8")
    if voices is not None:
        index: dict = {"repo_or_path": "somebody/bark"}
        for name, prompts in voices.items():
            index[name] = {part: f"speaker_embeddings/{name}_{part}.npy" for part in prompts}
            for part, array in prompts.items():
                path = folder / index[name][part]
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, array)
        (folder / "speaker_embeddings_path.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def hub_checkpoint(folder: Path) -> Path:
    """A checkpoint with the file set of `suno/bark-small` (but for the weights) and two voices."""
    config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": False,
        "model_max_length": 512,
        "processor_class": "BarkProcessor",
    }
    files = {
        "vocab.txt": "\n".join(VOCABULARY),
        "tokenizer.json": tokenizer_json(),
        "tokenizer_config.json": json.dumps(config),
    }
    return write_checkpoint(folder, files, {"v2/en_speaker_6": arrays(seed=6), "announcer": arrays(seed=7)})


def suno_voices() -> Path:
    """The folder of Suno's published voices; skips the test where it is absent."""
    shared = Path(os.environ.get("BARK_HF_SHARED", Path(__file__).parents[2] / "shared"))
    folder = shared / "data" / "suno_voices"
    if not folder.is_dir():
        pytest.skip(f"Suno's voices are not at {folder}; set BARK_HF_SHARED to the folder that holds data/suno_voices")
    return folder
