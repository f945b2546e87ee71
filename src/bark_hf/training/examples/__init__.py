"""What each network is trained on: inputs as generation forms them, and labels.

One module per stage over `clips`, which holds the prepared data in memory. Must not know optimisers, recipes or files.
"""

from .coarse import CoarseExamples
from .fine import FineExamples
from .semantic import SemanticExamples

__all__ = ["CoarseExamples", "FineExamples", "SemanticExamples"]
