"""The stages as Suno's `bark.generation` has them: NumPy in, NumPy out, models loaded when they are needed.

Knows Suno's names, defaults and switches, and maps each call to the stage functions of `bark_hf.generation`. The
switches are read from the environment when this module is imported, and may be set here afterwards, as in Suno's code.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from transformers import SuppressTokensLogitsProcessor

from ..codec import decode_codes, n_codebooks
from ..generation import coarse as coarse_stage
from ..generation import fine as fine_stage
from ..generation.inputs import text_items
from ..generation.sampling import item_seeds
from ..generation.semantic import generate_semantic
from ..languages import SUNO_PRESETS, SUPPORTED_LANGUAGES
from ..processing_bark import BarkProcessor
from ..tokens import (
    COARSE_RATE_HZ,
    CODEBOOK_SIZE,
    N_COARSE_CODEBOOKS,
    N_FINE_CODEBOOKS,
    SAMPLE_RATE,
    SEMANTIC_RATE_HZ,
    SEMANTIC_VOCAB_SIZE,
)
from ..voices import VoicePrompt
from . import loading
from .arguments import check_text, check_tokens, check_windows, load_history
from .loading import clean_models, models, models_devices, use_model
from .progress import StageBar


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("true", "1", "t")


USE_SMALL_MODELS = _is_set("SUNO_USE_SMALL_MODELS")
GLOBAL_ENABLE_MPS = _is_set("SUNO_ENABLE_MPS")
OFFLOAD_CPU = _is_set("SUNO_OFFLOAD_CPU")

SUPPORTED_LANGS = [(language.name, language.code) for language in SUPPORTED_LANGUAGES]
# Suno's list lacks the ten voices without a language, although their files were published.
ALLOWED_PROMPTS = {name for name in SUNO_PRESETS if not name.startswith("speaker_")}


def _best_device(use_gpu: bool) -> str:
    if use_gpu and torch.cuda.is_available():
        return "cuda"
    return "mps" if use_gpu and GLOBAL_ENABLE_MPS and torch.backends.mps.is_available() else "cpu"


def load_model(
    use_gpu: bool = True, use_small: bool = False, force_reload: bool = False, model_type: str = "text"
) -> Any:
    """Load one network unless it is loaded.

    Args:
        use_gpu: compute on CUDA, or on Apple's GPU if SUNO_ENABLE_MPS is set, where there is one.
        use_small: from suno/bark-small rather than suno/bark.
        force_reload: read it again.
        model_type: "text", "coarse" or "fine".

    Returns:
        the network (a `BarkCoarseModel` or `BarkFineModel`); for "text" a dictionary of "model" and "tokenizer".

    Raises:
        ValueError: for another model_type, or a checkpoint that is not at 24 kHz.
        OSError: if the checkpoint can't be found or read.
    """
    if model_type not in ("text", "coarse", "fine"):
        raise ValueError(f"model_type={model_type!r} must be 'text', 'coarse' or 'fine'.")
    source = loading.current_source(use_small or USE_SMALL_MODELS)
    return loading.load_part(model_type, source, _best_device(use_gpu), OFFLOAD_CPU, force_reload)


def load_codec_model(use_gpu: bool = True, force_reload: bool = False) -> Any:
    """Load the codec unless it is loaded; see `load_model`.

    Returns:
        a `SunoCodec`: `encode`, `decode`, `sample_rate` and `channels` as in Meta's package.
    """
    device = _best_device(use_gpu)
    device = "cpu" if device == "mps" else device  # EnCodec's layers are not all there
    return loading.load_part("codec", loading.current_source(USE_SMALL_MODELS), device, OFFLOAD_CPU, force_reload)


def preload_models(
    text_use_gpu: bool = True,
    text_use_small: bool = False,
    coarse_use_gpu: bool = True,
    coarse_use_small: bool = False,
    fine_use_gpu: bool = True,
    fine_use_small: bool = False,
    codec_use_gpu: bool = True,
    force_reload: bool = False,
) -> None:
    """Load what is not loaded yet; any function that needs a model does so by itself. See `load_model`."""
    if force_reload:
        clean_models()
    load_model(text_use_gpu, text_use_small, model_type="text")
    load_model(coarse_use_gpu, coarse_use_small, model_type="coarse")
    load_model(fine_use_gpu, fine_use_small, model_type="fine")
    load_codec_model(codec_use_gpu)
    loading.drop_spare()


def available_prompts() -> list[str]:
    """The voices that `history_prompt` can name, in the checkpoint's order. Loads no network."""
    return _processor("text").voices.names


def _processor(key: str) -> BarkProcessor:
    origin = loading.origin_of(key)
    return loading.processor_of(loading.current_source(USE_SMALL_MODELS)) if origin is None else origin.processor


@contextlib.contextmanager
def _stage(key: str, history_prompt: Any = None) -> Iterator[tuple[Any, Any, list[VoicePrompt | None]]]:
    """A part on its device, its checkpoint's generation config, and the voice; a wrong voice stops before loading."""
    load_history(history_prompt, _processor(key))
    if key not in models:
        preload_models()
    origin = loading.origin_of(key)
    assert origin is not None
    with torch.no_grad(), loading.on_device(key, OFFLOAD_CPU) as network:
        yield network, origin.generation_config, [load_history(history_prompt, origin.processor)]


def generate_text_semantic(
    text: str,
    history_prompt: Any = None,
    temp: float | None = 0.7,
    top_k: int | None = None,
    top_p: float | None = None,
    silent: bool = False,
    min_eos_p: float | None = 0.2,
    max_gen_duration_s: float | None = None,
    allow_early_stop: bool = True,
    use_kv_caching: bool = False,
) -> np.ndarray:
    """Text to semantic tokens.

    Args:
        text: what to say. Beyond 256 tokens it is cut, with a warning that says what is lost.
        history_prompt: the voice: a name of `available_prompts()`, the path of a `.npz` file, a dictionary as
            `output_full=True` returns it, a `VoicePrompt`, or None for a random one.
        temp: temperature; 0 or None is greedy.
        top_k, top_p: limits of what is drawn from; None is none.
        silent: no progress bar.
        min_eos_p: stop when the end has at least this probability; None stops only when it is drawn.
        max_gen_duration_s: stop after so many seconds.
        allow_early_stop: False goes on to `max_gen_duration_s` or the checkpoint's limit (768 tokens, 15.4 s).
        use_kv_caching: without effect: keys and values are always cached, which changes nothing but the time.

    Returns:
        int64 [S], 0..9,999 for Suno's checkpoints. S is 0 if the model ended at once.

    Raises:
        ValueError: for a text without content, an unknown or invalid voice, or an option outside its limits.
        FileNotFoundError: for a voice file that does not exist.
    """
    check_text(text)
    with _stage("text", history_prompt) as (network, config, voices):
        stage = config.with_keywords(
            semantic_do_sample=True,
            semantic_temperature=temp,
            semantic_top_k=top_k,
            semantic_top_p=top_p,
            semantic_min_eos_p=min_eos_p if allow_early_stop else None,
            semantic_max_duration_s=max_gen_duration_s,
        ).semantic_config
        inputs = BarkProcessor(models["text"]["tokenizer"])(text)
        ids = text_items(inputs["input_ids"], inputs["attention_mask"], stage, network.config.input_vocab_size)
        without_end = [] if allow_early_stop else [SuppressTokensLogitsProcessor([stage.eos_token_id], network.device)]
        with StageBar(silent) as bar:
            tokens = generate_semantic(
                network, stage, ids, voices, item_seeds(None, 1), [max_gen_duration_s], without_end, bar
            )[0]
            bar.finish(tokens.shape[0])
        return tokens.cpu().numpy()


def generate_coarse(
    x_semantic: np.ndarray,
    history_prompt: Any = None,
    temp: float | None = 0.7,
    top_k: int | None = None,
    top_p: float | None = None,
    silent: bool = False,
    max_coarse_history: int = 630,
    sliding_window_len: int = 60,
    use_kv_caching: bool = False,
) -> np.ndarray:
    """Semantic tokens to the codes of the first two codebooks.

    Args:
        x_semantic: int [S], S >= 1.
        history_prompt, temp, top_k, top_p, silent, use_kv_caching: see `generate_text_semantic`.
        max_coarse_history: coarse ids that the network looks back at, 60 (faster) to 630; a checkpoint with shorter
            windows keeps its own.
        sliding_window_len: coarse ids per window; at most 768 less `max_coarse_history`.

    Returns:
        int32 [2, T], 0..1,023, T = floor(S * 75 / 49.9) for Suno's checkpoints.

    Raises:
        ValueError: for tokens that are not the checkpoint's, none at all, or an option outside its limits.
    """
    check_windows(max_coarse_history, sliding_window_len)
    with _stage("coarse", history_prompt) as (network, config, voices):
        semantic = check_tokens("x_semantic", x_semantic, None, config.semantic_config.semantic_vocab_size)
        own = config.coarse_acoustics_config
        history = min(int(max_coarse_history), own.max_coarse_history)
        room = network.config.block_size - own.max_coarse_input_length - history
        options = config.with_keywords(
            coarse_do_sample=True,
            coarse_temperature=temp,
            coarse_top_k=top_k,
            coarse_top_p=top_p,
            coarse_max_coarse_history=history,
            coarse_sliding_window_len=min(int(sliding_window_len), max(1, room)),
        )
        with StageBar(silent) as bar:
            codes = coarse_stage.generate_coarse(network, options, [semantic], voices, item_seeds(None, 1), (), bar)[0]
        return codes.cpu().numpy().astype(np.int32)


def generate_fine(
    x_coarse_gen: np.ndarray, history_prompt: Any = None, temp: float | None = 0.5, silent: bool = True
) -> np.ndarray:
    """Codes of the first codebooks to codes of all eight.

    Args:
        x_coarse_gen: int [K, T], K from 1 to 7, T >= 1.
        history_prompt: see `generate_text_semantic`.
        temp: temperature; None or 0 is greedy.
        silent: no progress bar.

    Returns:
        int32 [8, T], 0..1,023; the first K rows are those given.

    Raises:
        ValueError: for codes that are not the codec's, or none at all.
    """
    with _stage("fine", history_prompt) as (network, config, voices):
        rows = range(1, config.fine_acoustics_config.n_fine_codebooks)
        given = check_tokens("x_coarse_gen", x_coarse_gen, rows, config.codebook_size)
        options = config.with_keywords(fine_do_sample=True, fine_temperature=temp, fine_top_k=None, fine_top_p=None)
        with StageBar(silent) as bar:
            codes = fine_stage.generate_fine(network, options, [given], voices, item_seeds(None, 1), bar)[0]
        return codes.cpu().numpy().astype(np.int32)


def codec_decode(fine_tokens: np.ndarray) -> np.ndarray:
    """Codes int [K, T] to sound, float32 [samples] at 24 kHz.

    Raises:
        ValueError: for codes that are not the codec's, or none at all.
    """
    with _stage("codec") as (codec, config, _):
        rows = range(1, n_codebooks(codec.codec) + 1)
        codes = check_tokens("fine_tokens", fine_tokens, rows, config.codebook_size)
        return decode_codes(codec.codec, [codes])[0].cpu().numpy()


__all__ = [
    "ALLOWED_PROMPTS",
    "COARSE_RATE_HZ",
    "CODEBOOK_SIZE",
    "N_COARSE_CODEBOOKS",
    "N_FINE_CODEBOOKS",
    "SAMPLE_RATE",
    "SEMANTIC_RATE_HZ",
    "SEMANTIC_VOCAB_SIZE",
    "SUPPORTED_LANGS",
    "available_prompts",
    "clean_models",
    "codec_decode",
    "generate_coarse",
    "generate_fine",
    "generate_text_semantic",
    "load_codec_model",
    "load_model",
    "models",
    "models_devices",
    "preload_models",
    "use_model",
]
