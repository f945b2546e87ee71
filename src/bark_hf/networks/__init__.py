"""The three transformers: `forward` and loss, nothing else. This package never imports `bark_hf.generation`."""

from .base import BarkPreTrainedModel
from .causal import BarkCausalNetwork
from .fine import BarkFineNetwork

__all__ = ["BarkCausalNetwork", "BarkFineNetwork", "BarkPreTrainedModel"]
