"""The models: three networks that generate, and `BarkModel`, whose `generate` is the route on one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModel, GenerationConfig
from transformers.utils import GENERATION_CONFIG_NAME, cached_file

from .codec import decode_codes, n_codebooks
from .configuration_bark import BarkCoarseConfig, BarkConfig, BarkFineConfig, BarkSemanticConfig
from .generation.coarse import generate_coarse
from .generation.fine import generate_fine
from .generation.inputs import UNSET, duration_items, make_batch, processor_list, text_items, voice_items
from .generation.output import BarkOutput
from .generation.sampling import item_seeds
from .generation.semantic import generate_semantic
from .generation_configuration_bark import BarkGenerationConfig
from .networks import BarkCausalNetwork, BarkFineNetwork, BarkPreTrainedModel
from .submodel_generation import SubModelGeneration

_HUB_KEYWORDS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")


class BarkSemanticModel(SubModelGeneration, BarkCausalNetwork):
    """Semantic ("text") network: text ids -> semantic tokens. See `BarkCausalNetwork.forward`."""

    config_class = BarkSemanticConfig
    base_model_prefix = "semantic"

    @torch.no_grad()
    def generate(
        self,
        input_ids: torch.Tensor,
        semantic_generation_config: Any = None,
        history_prompt: Any = None,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> torch.LongTensor:
        """Text ids [B, N] -> semantic tokens int64 [B, S], padded with the semantic pad token.

        Args:
            input_ids: tokenizer ids, without the text offset.
            semantic_generation_config: default Suno's values.
            history_prompt: voice(s), see `BarkModel.generate`.
            attention_mask: [B, N], 0 at padding.
            kwargs: `seed`, `logits_processor`, `progress`, and options of the semantic stage.
        """
        config, call = self._call(kwargs, semantic=semantic_generation_config)
        stage = config.semantic_config
        texts = text_items(input_ids, attention_mask, stage, self.config.input_vocab_size)
        tokens = generate_semantic(
            self,
            stage,
            texts,
            voice_items(history_prompt, len(texts), config),
            item_seeds(call.seed, len(texts)),
            duration_items(stage.max_duration_s, len(texts)),
            call.processors,
            call.progress,
        )
        return self._pad(tokens, stage.semantic_pad_token)


class BarkCoarseModel(SubModelGeneration, BarkCausalNetwork):
    """Coarse network: semantic tokens -> the first two codebooks. See `BarkCausalNetwork.forward`."""

    config_class = BarkCoarseConfig
    base_model_prefix = "coarse_acoustics"

    @torch.no_grad()
    def generate(
        self,
        semantic_output: torch.Tensor,
        semantic_generation_config: Any = None,
        coarse_generation_config: Any = None,
        codebook_size: int = 1024,
        history_prompt: Any = None,
        return_output_lengths: bool = False,
        **kwargs: Any,
    ) -> torch.LongTensor | tuple[torch.LongTensor, torch.LongTensor]:
        """Semantic tokens [B, S] -> flattened coarse ids int64 [B, 2 * T], padded with the coarse pad token.

        Args:
            semantic_output: padded with the semantic pad token, as `BarkSemanticModel.generate` returns it. It is not
                changed.
            semantic_generation_config, coarse_generation_config, codebook_size: default Suno's values.
            history_prompt: voice(s), see `BarkModel.generate`.
            return_output_lengths: also return the ids per item, int64 [B].
            kwargs: `seed`, `logits_processor`, `progress`, and options of the coarse stage.
        """
        config, call = self._call(
            kwargs,
            semantic=semantic_generation_config,
            coarse=coarse_generation_config,
            codebook_size=codebook_size,
        )
        items = self._semantic_items(semantic_output, config.semantic_config)
        voices = voice_items(history_prompt, len(items), config)
        codes = generate_coarse(
            self, config, items, voices, item_seeds(call.seed, len(items)), call.processors, call.progress
        )
        flat = self._flatten(codes, config)
        padded = self._pad(flat, config.coarse_acoustics_config.coarse_semantic_pad_token)
        if not return_output_lengths:
            return padded
        return padded, torch.tensor([item.shape[0] for item in flat], device=padded.device)


class BarkFineModel(SubModelGeneration, BarkFineNetwork):
    """Fine network: the first codebooks -> all eight. See `BarkFineNetwork.forward`."""

    config_class = BarkFineConfig
    base_model_prefix = "fine_acoustics"

    @torch.no_grad()
    def generate(
        self,
        coarse_output: torch.Tensor,
        semantic_generation_config: Any = None,
        coarse_generation_config: Any = None,
        fine_generation_config: Any = None,
        codebook_size: int = 1024,
        history_prompt: Any = None,
        **kwargs: Any,
    ) -> torch.LongTensor:
        """Flattened coarse ids [B, 2 * T] -> codes int64 [B, 8, T], zeros behind each item's end.

        Args:
            coarse_output: padded with the coarse pad token, as `BarkCoarseModel.generate` returns it.
            semantic_generation_config, coarse_generation_config, fine_generation_config, codebook_size: default
                Suno's values.
            history_prompt: voice(s), see `BarkModel.generate`.
            kwargs: `seed`, `progress`, and options of the fine stage.
        """
        config, call = self._call(
            kwargs,
            semantic=semantic_generation_config,
            coarse=coarse_generation_config,
            fine=fine_generation_config,
            codebook_size=codebook_size,
        )
        items = self._coarse_items(coarse_output, config)
        voices = voice_items(history_prompt, len(items), config)
        return self._pad(generate_fine(self, config, items, voices, item_seeds(call.seed, len(items)), call.progress))


class BarkModel(BarkPreTrainedModel):
    """Bark: text -> semantic tokens -> coarse codes -> fine codes -> audio at 24 kHz.

    Attributes:
        semantic (`BarkSemanticModel`), coarse_acoustics (`BarkCoarseModel`), fine_acoustics (`BarkFineModel`)
        codec_model: the codec of `config.codec_config`, `transformers.EncodecModel` for Suno's checkpoints.
        generation_config (`BarkGenerationConfig`): what `generate` does unless it is told otherwise.

    Example:

    ```python
    from bark_hf import BarkModel, BarkProcessor

    processor = BarkProcessor.from_pretrained("suno/bark-small")
    model = BarkModel.from_pretrained("suno/bark-small")
    inputs = processor("Hello, my dog is cute [laughs]", voice_preset="v2/en_speaker_6")
    audio = model.generate(**inputs)  # float32 [1, samples]
    ```
    """

    config_class = BarkConfig
    config: Any  # a BarkConfig whose four parts are configs; the dataclass declares what may be given
    generation_config_class = BarkGenerationConfig

    def __init__(self, config: Any):
        super().__init__(config)
        self.semantic = BarkSemanticModel(config.semantic_config)
        self.coarse_acoustics = BarkCoarseModel(config.coarse_acoustics_config)
        self.fine_acoustics = BarkFineModel(config.fine_acoustics_config)
        config.codec_config._attn_implementation = None  # the request is for the transformers; codecs may lack it
        self.codec_model = AutoModel.from_config(config.codec_config)
        self.post_init()

    @classmethod
    def can_generate(cls) -> bool:
        return True

    def set_attn_implementation(self, attn_implementation: str | dict, *args: Any, **kwargs: Any) -> None:
        """Change the attention of the three transformers; a codec has none to change unless a dict names it."""
        if isinstance(attn_implementation, str):
            own = self.codec_model.config._attn_implementation
            networks = {key: attn_implementation for key in self.config.sub_configs if key != "codec_config"}
            attn_implementation = {"": attn_implementation, "codec_config": own, **networks}
        super().set_attn_implementation(attn_implementation, *args, **kwargs)

    @property
    def generation_config(self) -> BarkGenerationConfig:
        """Generation options; anything that `BarkGenerationConfig.from_any` understands can be assigned."""
        return self.__dict__["generation_config"]

    @generation_config.setter
    def generation_config(self, value: GenerationConfig | Mapping[str, Any]) -> None:
        self.__dict__["generation_config"] = BarkGenerationConfig.from_any(value)

    def adjust_generation_fn(
        self,
        generation_config: Any,
        from_auto_class: bool,
        from_pipeline: str | None,
        pretrained_model_name_or_path: Any,
        **kwargs: Any,
    ) -> None:
        """Called by `from_pretrained`: take the given generation config, or read the checkpoint's, if it has one."""
        hub = {key: value for key, value in kwargs.items() if key in _HUB_KEYWORDS}
        if generation_config is not None:
            self.generation_config = generation_config
        elif pretrained_model_name_or_path is not None and cached_file(
            pretrained_model_name_or_path, GENERATION_CONFIG_NAME, _raise_exceptions_for_missing_entries=False, **hub
        ):
            self.generation_config = BarkGenerationConfig.from_pretrained(pretrained_model_name_or_path, **hub)

    @property
    def sampling_rate(self) -> int:
        """Samples per second of the audio."""
        return self.generation_config.sample_rate

    @property
    def device(self) -> torch.device:
        """Where the semantic network runs, and where the audio is returned."""
        return self.semantic.device

    @torch.no_grad()
    def generate(
        self,
        input_ids: torch.Tensor | None = None,
        history_prompt: Any = None,
        attention_mask: torch.Tensor | None = None,
        generation_config: Any = None,
        seed: int | Sequence[int] | None = None,
        num_return_sequences: int = 1,
        logits_processor: Any = None,
        semantic_logits_processor: Any = None,
        coarse_logits_processor: Any = None,
        progress: Callable[[str, int, int], None] | None = None,
        return_dict_in_generate: bool = False,
        return_output_lengths: bool = False,
        **kwargs: Any,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor] | BarkOutput:
        r"""Generate audio. An item depends on its own text, voice and seed only, never on its neighbours.

        Args:
            input_ids: int [B, N], tokenizer ids as `BarkProcessor` returns them.
            history_prompt: a voice for all items, or a list with one voice or None per item. A voice is a
                `VoicePrompt`, a dict of arrays (`semantic_prompt`, `coarse_prompt`, `fine_prompt`) or an `.npz` path.
            attention_mask: [B, N], 0 at padding. Without one, zeros at the end count as padding.
            generation_config: used instead of the model's for this call.
            seed: an int, or one per item; None draws seeds from torch's global generator. With one int, every item
                is as it would be alone with that seed.
            num_return_sequences: takes per item, in a row; take r uses the item's seed + r.
            logits_processor: `LogitsProcessor`s of the caller for the semantic and the coarse stage.
            semantic_logits_processor, coarse_logits_processor: the same for one stage; they win.
            progress: called as progress(stage, done, total), stage "semantic", "coarse", "fine" or "codec".
            return_dict_in_generate: return a `BarkOutput` with the tokens of all stages.
            return_output_lengths: return (audio, lengths in samples).
            kwargs: `do_sample`, `temperature`, `top_k`, `top_p` for every stage; `max_new_tokens` (what a text has
                beyond is not said; `bark_hf.longform` reads longer ones), `min_eos_p`, `max_duration_s` (seconds, or
                one value per item) for the semantic stage; `semantic_*`, `coarse_*`,
                `fine_*` for one stage, which win. Temperature 0 or None, or `do_sample=False`, is greedy.

        Returns:
            float32 audio [B * num_return_sequences, samples] on the model's device, zeros behind each item's end.

        Raises:
            TypeError: for an unknown keyword, with the nearest known one.
            ValueError: for values, shapes or ids outside their limits.
        """
        durations = kwargs.pop("max_duration_s", UNSET)  # may be a list per item, which is no option of a config
        config = BarkGenerationConfig.from_any(
            self.generation_config if generation_config is None else generation_config, base=self.generation_config
        ).with_keywords(**kwargs)
        self._check_codec(config)
        texts = text_items(input_ids, attention_mask, config.semantic_config, self.semantic.config.input_vocab_size)
        batch = make_batch(texts, history_prompt, durations, seed, num_return_sequences, config)
        everywhere = processor_list(logits_processor)
        semantic_processors = processor_list(semantic_logits_processor) or everywhere
        coarse_processors = processor_list(coarse_logits_processor) or everywhere

        semantic = generate_semantic(self.semantic, config.semantic_config, *batch, semantic_processors, progress)
        voices, seeds = batch.voices, batch.seeds
        coarse = generate_coarse(self.coarse_acoustics, config, semantic, voices, seeds, coarse_processors, progress)
        fine = generate_fine(self.fine_acoustics, config, coarse, voices, seeds, progress)
        audio = decode_codes(self.codec_model, fine, progress)

        output = BarkOutput.from_items(semantic, coarse, fine, audio, seeds, config, self.device)
        if return_dict_in_generate:
            return output
        return (output.audio, output.audio_lengths) if return_output_lengths else output.audio

    def _check_codec(self, config: BarkGenerationConfig) -> None:
        wanted, available = config.fine_acoustics_config.n_fine_codebooks, n_codebooks(self.codec_model)
        if wanted > available:
            raise ValueError(f"n_fine_codebooks={wanted} exceeds the {available} codebooks of the codec.")


__all__ = ["BarkCoarseModel", "BarkFineModel", "BarkModel", "BarkPreTrainedModel", "BarkSemanticModel"]
