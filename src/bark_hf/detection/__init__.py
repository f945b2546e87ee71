"""Telling a model's speech from recordings: `BarkDetector`, `train_detector`, `evaluate`, `plot_evaluation`."""

from .detector import BarkDetector
from .evaluating import Evaluation, evaluate, plot_evaluation
from .features import FeatureConfig
from .training import TrainedDetector, sound_files, train_detector

__all__ = [
    "BarkDetector",
    "Evaluation",
    "FeatureConfig",
    "TrainedDetector",
    "evaluate",
    "plot_evaluation",
    "sound_files",
    "train_detector",
]
