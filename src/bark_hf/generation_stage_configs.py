"""The generation configs of the three stages: names, Suno's defaults, limits.

Knows one stage at a time; how they are joined and routed is in `generation_configuration_bark`.
"""

from __future__ import annotations

from typing import Any

from . import tokens
from .generation_options import (
    DUMP_MARK,
    BarkStageGenerationConfig,
    check_duration,
    is_count,
    is_number,
    require,
)


class BarkSemanticGenerationConfig(BarkStageGenerationConfig):
    """Options of the semantic stage. Sampling options: see `BarkStageGenerationConfig`.

    Args:
        max_new_tokens (`int`, defaults to 768): semantic tokens at most; the network has room for 768. `longform` makes
            pieces that fit. A clip for training has fewer.
        min_eos_p (`float` or `None`, defaults to 0.2): stop as soon as EOS has at least this probability, after the
            temperature. `None` stops only when EOS is drawn. Works when greedy too, on the untempered distribution.
        max_duration_s (`float` or `None`, defaults to `None`): stop after the token that exceeds so many seconds.
        eos_token_id (`int`, defaults to 10,000), semantic_pad_token (`int`, defaults to `eos_token_id`)
        text_encoding_offset (`int`, defaults to 10,048): added to a tokenizer id.
        text_pad_token (`int`, defaults to 129,595), semantic_infer_token (`int`, defaults to 129,599)
        semantic_vocab_size (`int`, defaults to 10,000): semantic tokens are 0..semantic_vocab_size - 1.
        max_input_semantic_length (`int`, defaults to 256): text ids, and history ids, in the prompt.
        semantic_rate_hz (`float`, defaults to 49.9): semantic tokens per second.
    """

    model_type = "semantic"
    counts = ("max_new_tokens", "semantic_vocab_size", "max_input_semantic_length")
    ids = ("eos_token_id", "semantic_pad_token", "text_encoding_offset", "text_pad_token", "semantic_infer_token")
    rates = ("semantic_rate_hz",)

    def __init__(
        self,
        do_sample: bool = True,
        temperature: float | None = 0.7,
        top_k: int | None = None,
        top_p: float | None = None,
        max_new_tokens: int = tokens.MAX_SEMANTIC_TOKENS,
        min_eos_p: float | None = 0.2,
        max_duration_s: float | None = None,
        eos_token_id: int = tokens.SEMANTIC_PAD_TOKEN,
        semantic_pad_token: int | None = None,
        text_encoding_offset: int = tokens.TEXT_ENCODING_OFFSET,
        text_pad_token: int = tokens.TEXT_PAD_TOKEN,
        semantic_infer_token: int = tokens.SEMANTIC_INFER_TOKEN,
        semantic_vocab_size: int = tokens.SEMANTIC_VOCAB_SIZE,
        max_input_semantic_length: int = tokens.MAX_TEXT_LENGTH,
        semantic_rate_hz: float = tokens.SEMANTIC_RATE_HZ,
        **unknown: Any,
    ):
        values = {k: v for k, v in locals().items() if k not in ("self", "unknown", "__class__")}
        if semantic_pad_token is None:
            values["semantic_pad_token"] = eos_token_id
        super().__init__(values, unknown)

    def validate(self, **kwargs: Any) -> None:
        super().validate(**kwargs)
        if hasattr(self, "_fields"):
            ok = self.min_eos_p is None or (is_number(self.min_eos_p) and 0 < self.min_eos_p <= 1)
            require(ok, "min_eos_p", self.min_eos_p, "above 0 and at most 1", "None switches it off.")
            check_duration(self.max_duration_s)
            ok = self.eos_token_id >= self.semantic_vocab_size
            limit = f"at least semantic_vocab_size={self.semantic_vocab_size}, which are speech tokens"
            require(ok, "eos_token_id", self.eos_token_id, limit)


class BarkCoarseGenerationConfig(BarkStageGenerationConfig):
    """Options of the coarse stage. Sampling options: see `BarkStageGenerationConfig`.

    Args:
        coarse_semantic_pad_token (`int`, defaults to 12,048), coarse_infer_token (`int`, defaults to 12,050)
        coarse_rate_hz (`float`, defaults to 75): frames per second.
        n_coarse_codebooks (`int`, defaults to 2): codebooks that alternate in the stream.
        max_coarse_input_length (`int`, defaults to 256): semantic tokens in a window.
        max_coarse_history (`int`, defaults to 630): flattened coarse ids in a window, 60 at least as in Suno's code
            (60 is faster, 630 has more context).
        sliding_window_len (`int`, defaults to 60): flattened coarse ids that a window adds.
    """

    model_type = "coarse_acoustics"
    counts = ("n_coarse_codebooks", "max_coarse_input_length", "sliding_window_len")
    ids = ("coarse_semantic_pad_token", "coarse_infer_token")
    rates = ("coarse_rate_hz",)

    def __init__(
        self,
        do_sample: bool = True,
        temperature: float | None = 0.7,
        top_k: int | None = None,
        top_p: float | None = None,
        coarse_semantic_pad_token: int = tokens.COARSE_SEMANTIC_PAD_TOKEN,
        coarse_rate_hz: float = tokens.COARSE_RATE_HZ,
        n_coarse_codebooks: int = tokens.N_COARSE_CODEBOOKS,
        coarse_infer_token: int = tokens.COARSE_INFER_TOKEN,
        max_coarse_input_length: int = tokens.MAX_COARSE_INPUT_LENGTH,
        max_coarse_history: int = tokens.MAX_COARSE_HISTORY,
        sliding_window_len: int = tokens.SLIDING_WINDOW_LEN,
        **unknown: Any,
    ):
        values = {k: v for k, v in locals().items() if k not in ("self", "unknown", "__class__")}
        super().__init__(values, unknown)

    def validate(self, **kwargs: Any) -> None:
        super().validate(**kwargs)
        if hasattr(self, "_fields"):
            ok = is_count(self.max_coarse_history, tokens.MIN_COARSE_HISTORY)
            limit = f"an integer of at least {tokens.MIN_COARSE_HISTORY}"
            require(ok, "max_coarse_history", self.max_coarse_history, limit)


class BarkFineGenerationConfig(BarkStageGenerationConfig):
    """Options of the fine stage. Sampling options: see `BarkStageGenerationConfig`.

    Args:
        max_fine_history_length (`int`, defaults to 512): frames of history in front, and the hop between windows.
        max_fine_input_length (`int`, defaults to 1024): frames that the network sees at once.
        n_fine_codebooks (`int`, defaults to 8): codebooks of the result.
    """

    model_type = "fine_acoustics"
    counts = ("max_fine_history_length", "max_fine_input_length", "n_fine_codebooks")

    def __init__(
        self,
        do_sample: bool = True,
        temperature: float | None = 0.5,
        top_k: int | None = None,
        top_p: float | None = None,
        max_fine_history_length: int = tokens.MAX_FINE_HISTORY_LENGTH,
        max_fine_input_length: int = tokens.MAX_FINE_INPUT_LENGTH,
        n_fine_codebooks: int = tokens.N_FINE_CODEBOOKS,
        **unknown: Any,
    ):
        values = {k: v for k, v in locals().items() if k not in ("self", "unknown", "__class__")}
        super().__init__(values, unknown)

    def validate(self, **kwargs: Any) -> None:
        super().validate(**kwargs)
        if hasattr(self, "_fields"):
            history, window = self.max_fine_history_length, self.max_fine_input_length
            limit = f"below max_fine_input_length={window}, so that a window has room for new frames"
            require(history < window, "max_fine_history_length", history, limit)

    @classmethod
    def _own_options(cls, config_dict: dict[str, Any]) -> dict[str, Any]:
        # Transformers' fine stage has no option but a temperature, so the rest of its dump says nothing.
        if DUMP_MARK in config_dict:
            config_dict = {k: v for k, v in config_dict.items() if k not in ("do_sample", "top_k", "top_p")}
        return super()._own_options(config_dict)
