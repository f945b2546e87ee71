"""Bark in the style of Hugging Face Transformers.

Importing this package makes Transformers' Auto classes and `pipeline("text-to-speech")` use it for Bark checkpoints.
"""

from __future__ import annotations

from importlib.metadata import version as _version

from .configuration_bark import BarkCoarseConfig, BarkConfig, BarkFineConfig, BarkSemanticConfig
from .generation.output import BarkOutput
from .generation_configuration_bark import (
    BarkCoarseGenerationConfig,
    BarkFineGenerationConfig,
    BarkGenerationConfig,
    BarkSemanticGenerationConfig,
)
from .modeling_bark import BarkCoarseModel, BarkFineModel, BarkModel, BarkPreTrainedModel, BarkSemanticModel
from .processing_bark import BarkProcessor
from .registration import register
from .voices import VoicePrompt

__version__ = _version("bark-hf")
register()

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
]
