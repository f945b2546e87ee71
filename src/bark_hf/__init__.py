"""Bark in the style of Hugging Face Transformers.

Importing this package makes Transformers' Auto classes and `pipeline("text-to-speech")` use it for Bark checkpoints.
The public names are imported when they are first used; only the command line waits with the registration, so that it
starts in a moment.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .configuration_bark import BarkCoarseConfig, BarkConfig, BarkFineConfig, BarkSemanticConfig
    from .demo import demo_path
    from .generation.output import BarkOutput
    from .generation_configuration_bark import BarkGenerationConfig
    from .generation_stage_configs import (
        BarkCoarseGenerationConfig,
        BarkFineGenerationConfig,
        BarkSemanticGenerationConfig,
    )
    from .modeling_bark import BarkCoarseModel, BarkFineModel, BarkModel, BarkPreTrainedModel, BarkSemanticModel
    from .processing_bark import BarkProcessor
    from .voices import VoicePrompt

_HOMES = {
    "BarkCoarseConfig": "configuration_bark",
    "BarkCoarseGenerationConfig": "generation_stage_configs",
    "BarkCoarseModel": "modeling_bark",
    "BarkConfig": "configuration_bark",
    "BarkFineConfig": "configuration_bark",
    "BarkFineGenerationConfig": "generation_stage_configs",
    "BarkFineModel": "modeling_bark",
    "BarkGenerationConfig": "generation_configuration_bark",
    "BarkModel": "modeling_bark",
    "BarkOutput": "generation.output",
    "BarkPreTrainedModel": "modeling_bark",
    "BarkProcessor": "processing_bark",
    "BarkSemanticConfig": "configuration_bark",
    "BarkSemanticGenerationConfig": "generation_stage_configs",
    "BarkSemanticModel": "modeling_bark",
    "VoicePrompt": "voices",
    "demo_path": "demo",
}

__all__ = [
    "BarkCoarseConfig",
    "BarkCoarseGenerationConfig",
    "BarkCoarseModel",
    "BarkConfig",
    "BarkFineConfig",
    "BarkFineGenerationConfig",
    "BarkFineModel",
    "BarkGenerationConfig",
    "BarkModel",
    "BarkOutput",
    "BarkPreTrainedModel",
    "BarkProcessor",
    "BarkSemanticConfig",
    "BarkSemanticGenerationConfig",
    "BarkSemanticModel",
    "VoicePrompt",
    "demo_path",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("bark-hf")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


if "bark_hf_cli" not in sys.modules:
    from .registration import register

    register()
