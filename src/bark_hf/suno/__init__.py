"""Suno's own Python API on top of this package: a script written for `bark` runs after its imports are changed.

`from bark import ...` becomes `from bark_hf.suno import ...`; `bark.generation` and `bark.api` are
`bark_hf.suno.generation` and `bark_hf.suno.api`, and the functions of both are here too. Names, order and defaults of
arguments and the types of results are Suno's; what Suno asserts is a ValueError that says what is wrong. Beyond Suno's
API there are `use_model` and `available_prompts`.
"""

from __future__ import annotations

from .api import generate_audio, save_as_prompt, semantic_to_waveform, text_to_semantic
from .generation import (
    ALLOWED_PROMPTS,
    SAMPLE_RATE,
    SUPPORTED_LANGS,
    available_prompts,
    clean_models,
    codec_decode,
    generate_coarse,
    generate_fine,
    generate_text_semantic,
    load_codec_model,
    load_model,
    models,
    models_devices,
    preload_models,
    use_model,
)

__all__ = [
    "ALLOWED_PROMPTS",
    "SAMPLE_RATE",
    "SUPPORTED_LANGS",
    "available_prompts",
    "clean_models",
    "codec_decode",
    "generate_audio",
    "generate_coarse",
    "generate_fine",
    "generate_text_semantic",
    "load_codec_model",
    "load_model",
    "models",
    "models_devices",
    "preload_models",
    "save_as_prompt",
    "semantic_to_waveform",
    "text_to_semantic",
    "use_model",
]
