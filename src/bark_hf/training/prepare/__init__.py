"""Speech and its texts -> prepared data: `prepare`, its options, its report."""

from .options import ClipRules, SourceOptions
from .report import PrepareReport
from .run import prepare

__all__ = ["ClipRules", "PrepareReport", "SourceOptions", "prepare"]
