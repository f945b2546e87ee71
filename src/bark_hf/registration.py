"""Tells Transformers' Auto classes that Bark checkpoints belong to this package.

After this has run, `AutoConfig`, `AutoModel`, `AutoModelForTextToWaveform`, `AutoProcessor`, `AutoTokenizer` and
`pipeline("text-to-speech")` give this package's classes for model_type "bark", and `AutoConfig` and `AutoModel` know
our own codecs, model_types "bark_mel_codec" and "bark_vocos_encodec".
"""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTextToWaveform,
    AutoProcessor,
    AutoTokenizer,
    BertTokenizer,
)
from transformers.models.auto import processing_auto

from .codec.mel import BarkMelCodecConfig, BarkMelCodecModel
from .codec.vocos_encodec import VocosEncodecConfig, VocosEncodecModel
from .configuration_bark import BarkConfig
from .modeling_bark import BarkModel
from .processing_bark import BarkProcessor


def register() -> None:
    """Register config, model, processor, tokenizer and our codecs; calling it again changes nothing."""
    AutoConfig.register(BarkMelCodecConfig.model_type, BarkMelCodecConfig, exist_ok=True)
    AutoModel.register(BarkMelCodecConfig, BarkMelCodecModel, exist_ok=True)
    AutoConfig.register(VocosEncodecConfig.model_type, VocosEncodecConfig, exist_ok=True)
    AutoModel.register(VocosEncodecConfig, VocosEncodecModel, exist_ok=True)
    AutoConfig.register(BarkConfig.model_type, BarkConfig, exist_ok=True)
    AutoModel.register(BarkConfig, BarkModel, exist_ok=True)
    AutoModelForTextToWaveform.register(BarkConfig, BarkModel, exist_ok=True)
    AutoTokenizer.register(BarkConfig, fast_tokenizer_class=BertTokenizer, exist_ok=True)
    AutoProcessor.register(BarkConfig, BarkProcessor, exist_ok=True)
    # A folder may name its processor class; Transformers would look that name up among its own classes first.
    processing_auto.PROCESSOR_MAPPING_NAMES.pop(BarkConfig.model_type, None)
