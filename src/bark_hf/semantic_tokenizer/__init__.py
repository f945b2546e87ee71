"""Speech -> semantic tokens. Three kinds behind one `encode`; knows sound and tokens, and no stage of the model.

Sources: HuBERT (arXiv 2106.07447) and AudioLM (arXiv 2209.03143) for tokens from clustered features.
"""

from .base import SemanticTokenizer
from .frame_network import FrameNetworkTokenizer
from .frame_network_config import FrameNetworkConfig
from .hubert_quantizer import HubertQuantizer, HubertQuantizerConfig
from .kmeans import KMeansConfig, KMeansTokenizer
from .loading import load_semantic_tokenizer

__all__ = [
    "FrameNetworkConfig",
    "FrameNetworkTokenizer",
    "HubertQuantizer",
    "HubertQuantizerConfig",
    "KMeansConfig",
    "KMeansTokenizer",
    "SemanticTokenizer",
    "load_semantic_tokenizer",
]
