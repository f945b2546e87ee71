"""A codec of our own: log-mel frames, quantised in residual steps, and a Vocos-style decoder back to sound.

Knows spectrograms, vectors and one network; knows neither Bark's transformers nor how a decoder is trained.
"""

from .configuration import BarkMelCodecConfig
from .modeling import BarkMelCodecModel

__all__ = ["BarkMelCodecConfig", "BarkMelCodecModel"]
