"""A scripted model for the tests of long reading: its takes are known, and it counts what it is asked for."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from transformers import BatchEncoding

from bark_hf import BarkGenerationConfig, VoicePrompt
from bark_hf.generation.output import BarkOutput

RATE = 24_000
TEXT = "Alpha one two. Beta one two. Gamma one two. Delta one two. Epsilon one two."  # five pieces at 1 s
WORDS = ["Alpha", "Beta", "Gamma", "Delta", "Epsilon"]


def voice_of(number):
    """A voice whose tokens say which it is."""
    return VoicePrompt(np.full(20, number), np.full((2, 30), number % 1024), np.full((8, 30), number % 1024))


class FakeProcessor:
    """Counts words as ids; input_ids is the number of the text in `texts`."""

    def __init__(self):
        self.texts = []
        self.voices = SimpleNamespace(resolve=lambda voice: voice)

    def tokenizer(self, texts, **options):
        return {"input_ids": [text.split() for text in texts]}

    def __call__(self, texts, voice_preset):
        first = len(self.texts)
        self.texts += texts
        ids = torch.arange(first, len(self.texts))[:, None]
        return BatchEncoding({"input_ids": ids, "history_prompt": voice_preset})


class FakeModel:
    """A take of 20 tokens and 30 frames holds its seed; `script(text, seed)` may give other numbers of tokens."""

    device = torch.device("cpu")
    config = SimpleNamespace(to_dict=lambda: {"fake": 1})

    def __init__(self, processor, script=lambda text, seed: 20):
        self.processor, self.script = processor, script
        self.generation_config = BarkGenerationConfig()
        self.calls = []  # one list of (text, voice, seed) per call
        self.keywords = []

    def state_dict(self):
        return {"weight": torch.ones(3)}

    def generate(self, input_ids, history_prompt, seed, progress, return_dict_in_generate, **keywords):
        texts = [self.processor.texts[int(row)] for row in input_ids[:, 0]]
        self.calls.append(list(zip(texts, history_prompt, seed, strict=True)))
        self.keywords.append(keywords)
        lengths = [self.script(text, s) for text, s in zip(texts, seed, strict=True)]
        semantic = [torch.full((n,), s % 10_000) for n, s in zip(lengths, seed, strict=True)]
        fine = [torch.full((8, n * 3 // 2), s % 1024) for n, s in zip(lengths, seed, strict=True)]
        audio = [sound_of(s, n * 3 // 2 * 320) for n, s in zip(lengths, seed, strict=True)]
        coarse = [codes[:2] for codes in fine]
        config = self.generation_config.with_keywords(**keywords)
        return BarkOutput.from_items(semantic, coarse, fine, audio, seed, config, self.device)


def sound_of(seed, n):
    """Loud noise that only this seed has."""
    return torch.rand(n, generator=torch.Generator().manual_seed(seed)) - 0.5
