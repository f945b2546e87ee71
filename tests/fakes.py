"""Helpers of the parity tests: Transformers' own Bark beside ours, scripted networks, and Suno's rules written out.

A parity test is a function `behaviour(model)` that runs on either implementation. Ours must do what Suno's rule says;
Transformers must do what docs/parity.md accuses it of - checked only in the version that the list was made for, so that
a later Transformers may mend it without breaking our tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import transformers
from transformers.modeling_outputs import CausalLMOutputWithPast, MaskedLMOutput
from transformers.models.bark import generation_configuration_bark as transformers_configs
from transformers.models.bark import modeling_bark as transformers_models

import bark_hf

LISTED_VERSION = "5.23."  # docs/parity.md was made by running this one
SEMANTIC_SIZE, COARSE_SIZE, FINE_SIZE = 10_048, 12_096, 1_056  # rows of the heads
EOS = 10_000
OFF = -1e4  # a logit whose probability is 0.0 in float32


# --- Transformers beside ours


def on_transformers(misbehaves: Callable[[], bool]) -> None:
    """Assert that the listed version of Transformers has the fault; do nothing with any other version."""
    if transformers.__version__.startswith(LISTED_VERSION):
        assert misbehaves(), "Transformers does not have this fault: mend docs/parity.md"


def failure(call: Callable[[], Any]) -> Exception | None:
    """The exception that `call` raises, or None."""
    try:
        call()
    except Exception as error:
        return error
    return None


def transformers_bark(folder: Any, **options: Any) -> Any:
    """Transformers' own `BarkModel` with the weights of a checkpoint."""
    return transformers_models.BarkModel.from_pretrained(folder, **options).eval()


def is_ours(model: Any) -> bool:
    return isinstance(model, bark_hf.BarkPreTrainedModel)


def stage_config(model: Any, stage: str, **options: Any) -> Any:
    """The implementation's own config class of a stage ("Semantic", "Coarse" or "Fine") with these options."""
    module = bark_hf if is_ours(model) else transformers_configs
    return getattr(module, f"Bark{stage}GenerationConfig")(**options)


def text_batch(n_items: int = 1, length: int = 5) -> dict[str, torch.Tensor]:
    """Model inputs as the processor makes them: [B, 256], padded on the right with 0."""
    ids = torch.zeros(n_items, 256, dtype=torch.long)
    ids[:, :length] = 60 + torch.arange(n_items * length).reshape(n_items, length)
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


def until_eos(row: torch.Tensor) -> list[int]:
    """Semantic tokens in front of the first EOS or pad."""
    tokens = row.tolist()
    return tokens[: tokens.index(EOS)] if EOS in tokens else tokens


def semantic_tokens(model: Any, n_items: int = 1, seed: int = 0, **options: Any) -> list[list[int]]:
    """The semantic stage alone, under exactly these options; torch's global seed governs both implementations."""
    torch.manual_seed(seed)
    config = stage_config(model, "Semantic", **options)
    return [until_eos(row) for row in model.semantic.generate(**text_batch(n_items), semantic_generation_config=config)]


def coarse_ids(model: Any, semantic: torch.Tensor, history_prompt: Any = None, **options: Any) -> torch.Tensor:
    """The coarse stage alone: [B, S] -> flattened ids [B, 2 * T]."""
    torch.manual_seed(0)
    return model.coarse_acoustics.generate(
        semantic,
        semantic_generation_config=stage_config(model, "Semantic"),
        coarse_generation_config=stage_config(model, "Coarse", **options),
        codebook_size=1024,
        history_prompt=history_prompt,
    )


def fine_codes(model: Any, coarse: torch.Tensor, call: dict[str, Any] | None = None, **options: Any) -> torch.Tensor:
    """The fine stage alone: flattened ids [B, 2 * T] -> codes [B, 8, T]."""
    torch.manual_seed(0)
    return model.fine_acoustics.generate(
        coarse,
        semantic_generation_config=stage_config(model, "Semantic"),
        coarse_generation_config=stage_config(model, "Coarse"),
        fine_generation_config=stage_config(model, "Fine", **options),
        codebook_size=1024,
        **(call or {}),
    )


def flattened(n_frames: int, n_items: int = 1, seed: int = 0) -> torch.Tensor:
    """Random coarse ids as one stream, [B, 2 * T]."""
    rng = torch.Generator().manual_seed(seed)
    codes = torch.randint(1024, (n_items, n_frames, 2), generator=rng)
    return (codes + torch.tensor([10_000, 11_024])).reshape(n_items, -1)


def tensors(voice: bark_hf.VoicePrompt, dtype: torch.dtype = torch.long) -> dict[str, torch.Tensor]:
    """A voice in the only form that Transformers' `generate` takes."""
    return {name: torch.tensor(array).to(dtype) for name, array in voice.to_dict().items()}


@contextmanager
def recorded(model: Any) -> Iterator[dict[str, torch.Tensor]]:
    """What the three stages of Transformers' model return during `generate`, by attribute name."""
    outputs: dict[str, torch.Tensor] = {}
    names = ("semantic", "coarse_acoustics", "fine_acoustics")

    def wrap(name: str) -> None:
        original = getattr(model, name).generate

        def generate(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            outputs[name] = (result[0] if isinstance(result, tuple) else result).clone()
            return result

        getattr(model, name).generate = generate

    for name in names:
        wrap(name)
    try:
        yield outputs
    finally:
        for name in names:
            del getattr(model, name).generate


@contextmanager
def embedded_ids(network: Any) -> Iterator[list[torch.Tensor]]:
    """The ids that go into a causal network's embedding, in the order of the look-ups."""
    seen: list[torch.Tensor] = []
    hook = network.input_embeds_layer.register_forward_hook(lambda module, args, output: seen.append(args[0].clone()))
    try:
        yield seen
    finally:
        hook.remove()


# --- scripted networks

Script = Callable[[int], torch.Tensor]  # logits of the n-th token, [V] or [B, V]


def favour(size: int, logits: dict[int, float]) -> torch.Tensor:
    """Logits [size]: as given, every other id impossible."""
    scores = torch.full((size,), OFF)
    for token, logit in logits.items():
        scores[token] = logit
    return scores


def probabilities(size: int, values: dict[int, float]) -> torch.Tensor:
    """Logits [size] that give these probabilities."""
    return favour(size, {token: math.log(p) for token, p in values.items()})


class ScriptedSteps:
    """Stands in for `bark_hf.generation.steps.CachedSteps`: logits come from a script, rows leave as there."""

    def __init__(self, script: Script, n_rows: int):
        self.script, self.rows, self.n = script, list(range(n_rows)), 0

    def prefill(self, rows: list[int], inputs_embeds: torch.Tensor) -> None:
        assert inputs_embeds.shape[0] == len(rows)

    def step(self, tokens: torch.Tensor, head_rows: tuple[int, int] | None) -> torch.Tensor:
        scores = self.script(self.n).float()
        self.n += 1
        scores = scores[self.rows] if scores.ndim == 2 else scores.expand(len(self.rows), -1)
        return scores[:, slice(*head_rows)].clone() if head_rows else scores.clone()

    def keep(self, rows: list[int]) -> None:
        self.rows = [self.rows[row] for row in rows]


@contextmanager
def scripted(network: Any, script: Script) -> Iterator[None]:
    """Let a causal network of either implementation answer its n-th token's question with `script(n)`."""
    if is_ours(network):
        network.steps_factory = lambda network, n_rows, max_length: ScriptedSteps(script, n_rows)
        try:
            yield
        finally:
            del network.steps_factory
        return
    calls = 0

    def forward(input_ids=None, inputs_embeds=None, past_key_values=None, **kwargs):
        nonlocal calls
        scores = script(calls)
        calls += 1
        n_rows = (input_ids if inputs_embeds is None else inputs_embeds).shape[0]
        logits = scores.expand(n_rows, -1)[:, None].clone()
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)

    network.forward = forward
    try:
        yield
    finally:
        del network.forward


@contextmanager
def scripted_fine(network: Any, scores: torch.Tensor) -> Iterator[None]:
    """Let the fine network of either implementation answer with the same logits [V] at every frame."""

    def forward(codebook_idx, input_ids=None, **kwargs):
        return MaskedLMOutput(logits=scores.expand(*input_ids.shape[:2], -1).clone())

    network.forward = forward
    try:
        yield
    finally:
        del network.forward


def speech(lengths: Sequence[int], seed: int = 0) -> Script:
    """Item i says `lengths[i]` certain tokens of its own and then EOS, whoever its neighbours are."""
    longest = max(lengths) + 1
    words = [np.random.default_rng([seed, length]).integers(0, 10_000, longest).tolist() for length in lengths]

    def script(n: int) -> torch.Tensor:
        said = [word[n] if n < length else EOS for word, length in zip(words, lengths, strict=True)]
        return torch.stack([favour(SEMANTIC_SIZE, {token: 0.0}) for token in said])

    return script


# --- Suno's rules, written out from the description of bark/generation.py: one item, no cache, greedy


def suno_prompt(text_ids: Sequence[int], voice: bark_hf.VoicePrompt | None = None) -> tuple[list[int], list[int]]:
    """Text block and history block, 256 ids each."""
    text = [i + 10_048 for i in text_ids][:256]
    history = [] if voice is None else voice.semantic_prompt[-256:].tolist()
    return text + [129_595] * (256 - len(text)), history + [10_000] * (256 - len(history))


@torch.no_grad()
def suno_semantic(network: Any, text_ids: Sequence[int], n_tokens: int, voice: Any = None) -> list[int]:
    """`n_tokens` most probable semantic tokens, or fewer if EOS comes."""
    text, history = (torch.tensor([block]) for block in suno_prompt(text_ids, voice))
    embed = network.input_embeds_layer
    embeds = torch.cat([embed(text) + embed(history), embed(torch.tensor([[129_599]]))], dim=1)
    tokens: list[int] = []
    while len(tokens) < n_tokens:
        said = embed(torch.tensor([tokens], dtype=torch.long))
        logits = network(inputs_embeds=torch.cat([embeds, said], dim=1), logits_to_keep=1).logits[0, -1]
        best = int(logits[:10_001].argmax())
        if best == EOS:
            break
        tokens.append(best)
    return tokens


@torch.no_grad()
def suno_coarse(
    network: Any, semantic: Sequence[int], voice: Any = None, max_history: int = 630, window: int = 60
) -> np.ndarray:
    """Codes [2, T] of the most probable ids."""
    ratio = 75 / 49.9 * 2
    max_semantic = int(np.floor(max_history / ratio))
    semantic_history, coarse_history = np.array([], int), np.array([], int)
    if voice is not None:
        flat = (voice.coarse_prompt + np.array([[10_000], [11_024]])).ravel("F")
        n_tokens = len(voice.semantic_prompt)
        n_semantic = min(max_semantic, n_tokens - n_tokens % 2, int(np.floor(len(flat) / ratio)))
        semantic_history = voice.semantic_prompt[-n_semantic:]
        coarse_history = flat[-round(n_semantic * ratio) :][:-2]
    n_steps = round(np.floor(len(semantic) * ratio / 2) * 2)
    spoken = np.concatenate([semantic_history, np.asarray(semantic, int)])
    stream = coarse_history.tolist()
    done = 0
    while done < n_steps:
        first = max(0, len(semantic_history) + round(done / ratio) - max_semantic)
        seen = spoken[first:][:256].tolist()
        prompt = seen + [12_048] * (256 - len(seen)) + [12_050] + stream[-max_history:]
        for _ in range(min(window, n_steps - done)):
            logits = network(input_ids=torch.tensor([prompt]), logits_to_keep=1).logits[0, -1]
            start = 10_000 + 1_024 * (done % 2)
            best = start + int(logits[start : start + 1_024].argmax())
            prompt.append(best)
            stream.append(best)
            done += 1
    ids = np.array(stream[len(coarse_history) :], int).reshape(-1, 2).T
    return ids - np.array([[10_000], [11_024]])


@torch.no_grad()
def suno_fine(network: Any, coarse: np.ndarray, voice: Any = None) -> np.ndarray:
    """Codes [8, T] of the most probable codes."""
    codes = np.vstack([coarse, np.full((8 - len(coarse), coarse.shape[1]), 1_024)])
    n_history = 0
    if voice is not None:
        history = voice.fine_prompt[:, -512:]
        n_history = history.shape[1]
        codes = np.hstack([history, codes])
    padding = max(0, 1_024 - codes.shape[1])
    codes = np.hstack([codes, np.full((8, padding), 1_024)])
    n_windows = max(0, int(np.ceil((coarse.shape[1] - (1_024 - n_history)) / 512))) + 1
    for n in range(n_windows):
        start = min(n * 512, codes.shape[1] - 1_024)
        fill = min(n_history + n * 512, codes.shape[1] - 512)
        for k in range(len(coarse), 8):
            logits = network(k, input_ids=torch.tensor(codes[:, start : start + 1_024].T[None])).logits[0, :, :1_024]
            codes[k, fill : start + 1_024] = logits.argmax(-1).numpy()[fill - start :]
    return codes[:, n_history : codes.shape[1] - padding]


def suno_token_count(max_gen_duration_s: float) -> int:
    """Tokens after which Suno's `max_gen_duration_s` ends an item: it adds 1 / 49.9 s per token and compares."""
    count, seconds = 0, 0.0
    while True:
        count += 1
        seconds += 1 / 49.9
        if seconds > max_gen_duration_s:
            return count
