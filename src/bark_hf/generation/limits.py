"""Whether a network has the ids and positions that a generation config asks of it.

Knows the numbers of both; called before anything is computed, so that a mismatch is a sentence and not an index error.
"""

from __future__ import annotations

from ..configuration_bark import BarkFineConfig, BarkSubModelConfig
from ..generation_configuration_bark import BarkGenerationConfig, BarkSemanticGenerationConfig


def _require_rows(network: str, field: str, available: int, **ids: int) -> None:
    for name, value in ids.items():
        if value >= available:
            raise ValueError(
                f"{name}={value} does not exist in the {network} network, whose {field}={available}: use the "
                "generation_config.json that belongs to the checkpoint."
            )


def check_semantic(config: BarkSemanticGenerationConfig, network: BarkSubModelConfig) -> None:
    """Raise ValueError if the semantic network lacks ids, or positions for `max_new_tokens`."""
    _require_rows(
        "semantic",
        "input_vocab_size",
        network.input_vocab_size,
        text_pad_token=config.text_pad_token,
        semantic_pad_token=config.semantic_pad_token,
        semantic_infer_token=config.semantic_infer_token,
    )
    _require_rows("semantic", "output_vocab_size", network.output_vocab_size, eos_token_id=config.eos_token_id)
    room = network.block_size - config.max_input_semantic_length
    if config.max_new_tokens > room:
        raise ValueError(
            f"max_new_tokens={config.max_new_tokens} exceeds the {room} tokens that fit behind the prompt of "
            f"{config.max_input_semantic_length + 1} positions (block_size={network.block_size}): ask for at most "
            f"{room}, and split longer texts."
        )


def window_positions(config: BarkGenerationConfig) -> int:
    """Positions of the longest coarse window: semantic tokens, infer token, history and new ids but the last."""
    coarse = config.coarse_acoustics_config
    return coarse.max_coarse_input_length + 1 + coarse.max_coarse_history + coarse.sliding_window_len - 1


def check_coarse(config: BarkGenerationConfig, network: BarkSubModelConfig) -> None:
    """Raise ValueError if the coarse network lacks ids, or positions for a window."""
    coarse = config.coarse_acoustics_config
    last_code = config.semantic_config.semantic_vocab_size + coarse.n_coarse_codebooks * config.codebook_size - 1
    _require_rows(
        "coarse",
        "input_vocab_size",
        network.input_vocab_size,
        coarse_semantic_pad_token=coarse.coarse_semantic_pad_token,
        coarse_infer_token=coarse.coarse_infer_token,
        last_coarse_id=last_code,
    )
    _require_rows("coarse", "output_vocab_size", network.output_vocab_size, last_coarse_id=last_code)
    needed = window_positions(config)
    if needed > network.block_size:
        raise ValueError(
            f"A coarse window of {needed} positions (max_coarse_input_length={coarse.max_coarse_input_length} + 1 + "
            f"max_coarse_history={coarse.max_coarse_history} + sliding_window_len={coarse.sliding_window_len} - 1) "
            f"exceeds block_size={network.block_size}: lower max_coarse_history or sliding_window_len."
        )


def check_fine(config: BarkGenerationConfig, network: BarkFineConfig) -> None:
    """Raise ValueError if the fine network lacks ids, codebooks, or positions for a window."""
    stage = config.fine_acoustics_config
    _require_rows("fine", "input_vocab_size", network.input_vocab_size, code_for_unknown=config.codebook_size)
    _require_rows("fine", "output_vocab_size", network.output_vocab_size, last_code=config.codebook_size - 1)
    if stage.max_fine_input_length > network.block_size:
        raise ValueError(
            f"max_fine_input_length={stage.max_fine_input_length} exceeds block_size={network.block_size}."
        )
    if stage.n_fine_codebooks > network.n_codes_total:
        raise ValueError(f"n_fine_codebooks={stage.n_fine_codebooks} exceeds n_codes_total={network.n_codes_total}.")
    given = config.coarse_acoustics_config.n_coarse_codebooks
    if given < network.n_codes_given:
        raise ValueError(f"n_coarse_codebooks={given} is below n_codes_given={network.n_codes_given}.")
