"""The chain with the truth put in at each stage: which stage loses the most. Knows stages, codes and prepared clips.

Each chain starts later than the one before and has one network less to err: "text" runs all of them, "semantic" starts
from true semantic tokens, "coarse" from true coarse codes, "codes" only decodes the true codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..codec import decode_codes
from ..generation.coarse import generate_coarse
from ..generation.fine import generate_fine
from ..generation.inputs import text_items, voice_items, voice_rules
from ..generation.sampling import item_seeds
from ..generation.semantic import generate_semantic, token_limits
from ..modeling_bark import BarkModel
from ..processing_bark import BarkProcessor
from ..voices import VoicePrompt, VoiceRules
from .clips import Clip, speaker_of
from .speaking import Report, keep_sound, sound_name

if TYPE_CHECKING:
    from ..training.dataset import TrainingClip

CHAINS = ("codes", "coarse", "semantic", "text")


@torch.no_grad()
def stage_oracles(
    model: BarkModel,
    processor: BarkProcessor,
    clips: Sequence[TrainingClip],
    voices: Sequence[VoicePrompt | None],
    seeds: Sequence[int],
    **keywords: Any,
) -> tuple[dict[str, list[torch.Tensor]], list[torch.Tensor]]:
    """The sounds of all four chains for a batch of prepared clips.

    Args:
        clips: text, true semantic tokens int64 [S] and true codes int64 [K, T], see `TrainingClip`.
        voices: one history prompt or None per clip.
        seeds: one per clip; a stage draws the same noise in every chain.
        keywords: of `BarkModel.generate`.

    Returns:
        chain ("codes", "coarse", "semantic", "text") -> per clip, float32 waveform [samples]; and the semantic tokens
        of the chain "text", int64 [S] each.

    Raises:
        ValueError: for codes with fewer codebooks than the checkpoint generates.
    """
    config = model.generation_config.with_keywords(**keywords)
    n_coarse = config.coarse_acoustics_config.n_coarse_codebooks
    codes = [_codes(clip, config.fine_acoustics_config.n_fine_codebooks) for clip in clips]
    prompts, noise = voice_items(list(voices), len(clips), config), item_seeds(list(seeds), len(clips))
    inputs = processor([clip.text for clip in clips])
    stage = config.semantic_config
    texts = text_items(inputs["input_ids"], inputs["attention_mask"], stage, model.semantic.config.input_vocab_size)

    def finish(coarse: list[torch.Tensor]) -> list[torch.Tensor]:
        return decode_codes(model.codec_model, generate_fine(model.fine_acoustics, config, coarse, prompts, noise))

    def acoustics(semantic: list[torch.Tensor]) -> list[torch.Tensor]:
        return finish(generate_coarse(model.coarse_acoustics, config, semantic, prompts, noise))

    durations = [stage.max_duration_s] * len(clips)
    generated = generate_semantic(model.semantic, stage, texts, prompts, noise, durations)
    sounds = {
        "codes": decode_codes(model.codec_model, codes),
        "coarse": finish([item[:n_coarse] for item in codes]),
        "semantic": acoustics([clip.semantic for clip in clips]),
        "text": acoustics(generated),
    }
    return sounds, generated


def speak_oracles(
    model: BarkModel,
    processor: BarkProcessor,
    dataset: Any,
    folder: Path,
    *,
    batch_size: int = 8,
    seed: int = 0,
    report: Report | None = None,
    **keywords: Any,
) -> list[Clip]:
    """`stage_oracles` over a prepared dataset, sounds kept as `folder/CHAIN-NUMBER-SPEAKER.wav`.

    A clip is spoken with the preset of its speaker's name or, where there is none, with the speaker's next other clip
    of the dataset as voice prompt.

    Args:
        dataset: see `bark_hf.training.dataset`; row i has seed + i.
        report: called with ("speak", clips so far, clips in all).

    Returns:
        clips by chain, then by row.
    """
    from ..training.dataset import clip_of

    rows = [dataset[i] for i in range(len(dataset))]
    truth = [clip_of(row) for row in rows]
    voices = clip_voices(model, processor, truth)
    rate = model.generation_config.sample_rate
    stage = model.generation_config.with_keywords(**keywords).semantic_config
    limit = token_limits(stage, [stage.max_duration_s])[0]
    clips: dict[str, list[Clip]] = {chain: [] for chain in CHAINS}
    for at in range(0, len(rows), batch_size):
        batch = slice(at, at + batch_size)
        seeds = [seed + number for number in range(len(rows))[batch]]
        sounds, semantic = stage_oracles(model, processor, truth[batch], voices[batch], seeds, **keywords)
        for chain, waveforms in sounds.items():
            for n, (row, waveform) in enumerate(zip(rows[batch], waveforms, strict=True)):
                clip = Clip(str(row["id"]), row["text"], row["speaker"], chain, None, seed=seeds[n])
                if chain == "text":
                    clip.semantic, clip.hit_limit = semantic[n].tolist(), semantic[n].shape[0] >= limit
                keep_sound(clip, waveform, rate, folder / f"{chain}-{sound_name(at + n, clip.voice)}")
                clips[chain].append(clip)
        if report is not None:
            report("speak", min(at + batch_size, len(rows)) * len(CHAINS), len(rows) * len(CHAINS))
    return [clip for chain in CHAINS for clip in clips[chain]]


def clip_voices(model: BarkModel, processor: BarkProcessor, clips: Sequence[TrainingClip]) -> list[VoicePrompt | None]:
    """Per clip, its speaker's preset; else the speaker's next other clip as a voice; None if there is neither."""
    presets = {clip.speaker: None for clip in clips} | {
        speaker: name for name in processor.available_voice_presets if (speaker := _speaker(name, clips))
    }
    found: list[VoicePrompt | None] = []
    for number, clip in enumerate(clips):
        preset = presets[clip.speaker]
        others = [other for other in [*clips[number + 1 :], *clips[:number]] if other.speaker == clip.speaker]
        rules = voice_rules(model.generation_config)
        found.append(_first_voice(others, rules) if preset is None else processor.voice(preset))
    return found


def _speaker(voice: str, clips: Sequence[TrainingClip]) -> str | None:
    return speaker_of(voice, [clip.speaker for clip in clips])


def _first_voice(clips: Sequence[TrainingClip], rules: VoiceRules) -> VoicePrompt | None:
    for clip in clips:
        codes = clip.codes[: rules.n_fine_codebooks]
        try:
            return VoicePrompt(clip.semantic, codes[: rules.n_coarse_codebooks], codes, rules=rules)
        except ValueError:  # too short for its tokens and frames to agree
            continue
    return None


def _codes(clip: TrainingClip, n_codebooks: int) -> torch.Tensor:
    if clip.codes.shape[0] < n_codebooks:
        raise ValueError(
            f"prepared codes have {clip.codes.shape[0]} codebooks; the checkpoint generates {n_codebooks}; prepare the "
            "data with the checkpoint's codec"
        )
    return clip.codes[:n_codebooks].long()
