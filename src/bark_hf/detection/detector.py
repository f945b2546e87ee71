"""`BarkDetector`: features, four small tensors, a probability. Stored as safetensors and JSON; nothing is pickled.

Knows its files and its formula. Must not know how it was trained.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ..evaluation.sounds import read_sound
from .features import FeatureConfig, Features

CONFIG_NAME = "detector_config.json"
WEIGHTS_NAME = "detector.safetensors"
_TENSORS = ("mean", "scale", "weight", "bias")


class BarkDetector:
    """Logistic regression over standardised features.

    Args:
        config: the features.
        mean, scale: float [F], what standardises them. weight: float [F]. bias: float [1]. All are kept as float32.
        report: how it was trained and what it reached; kept in its configuration.

    Example:

    ```py
    detector = BarkDetector.from_pretrained("detector")
    detector.probability_of_file("speech.wav")  # 0.98: probably generated
    ```
    """

    def __init__(
        self,
        config: FeatureConfig,
        mean: np.ndarray,
        scale: np.ndarray,
        weight: np.ndarray,
        bias: np.ndarray,
        report: dict[str, Any] | None = None,
    ) -> None:
        self.config = config
        self.mean, self.scale, self.weight, self.bias = (
            np.ascontiguousarray(array, dtype=np.float32) for array in (mean, scale, weight, bias)
        )
        self.report = report or {}
        self._features: Features | None = None

    @property
    def features(self) -> Features:
        """Loaded when first needed: a speech encoder is large."""
        if self._features is None:
            self._features = Features(self.config)
        return self._features

    def probability(self, samples: np.ndarray, sampling_rate: int) -> float:
        """How probable it is, 0..1, that a sound is generated, if it is of one of the two kinds trained on.

        Args:
            samples: float32 [n], mono. sampling_rate: in Hz.

        Raises:
            ValueError: for less than 0.5 s of sound, silence, or NaN.
        """
        return float(self.probabilities(self.features(samples, sampling_rate)[None])[0])

    def probability_of_file(self, path: str | Path) -> float:
        """`probability` of a sound file.

        Raises:
            ValueError: for a file that is missing, unreadable, too short or silent; the message names it.
        """
        samples, rate = read_sound(Path(path))
        try:
            return self.probability(samples.astype(np.float32), rate)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """float [N, F] -> float64 [N]."""
        standard = (features.astype(np.float64) - self.mean) / self.scale
        return 1.0 / (1.0 + np.exp(-(standard @ self.weight.astype(np.float64) + float(self.bias[0]))))

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Write two files, existing ones are replaced.

        Args:
            folder: created if need be.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: getattr(self, name) for name in _TENSORS}
        part = folder / f".{WEIGHTS_NAME}.part"
        save_file(tensors, part)
        part.replace(folder / WEIGHTS_NAME)
        content = {"features": asdict(self.config), "report": self.report}
        part = folder / f".{CONFIG_NAME}.part"
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        (folder / WEIGHTS_NAME).chmod(part.stat().st_mode)  # safetensors makes files readable by the owner alone
        part.replace(folder / CONFIG_NAME)
        return folder

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> BarkDetector:
        """Read a detector's folder.

        Raises:
            ValueError: for a file that is missing or broken: which one, and why.
        """
        folder = Path(folder)
        if not (folder / CONFIG_NAME).is_file():
            raise ValueError(
                f"{folder} has no {CONFIG_NAME}; it is no detector's folder; train one: bark-hf train-detector"
            )
        try:
            content = json.loads((folder / CONFIG_NAME).read_bytes())
            config, report = FeatureConfig(**content["features"]), dict(content["report"])
            tensors = load_file(folder / WEIGHTS_NAME)
            arrays = [tensors[name] for name in _TENSORS]
        except (ValueError, KeyError, TypeError, OSError, RecursionError, SafetensorError) as error:
            raise ValueError(f"the detector in {folder} can't be read ({error}); get it or train it again") from error
        size = arrays[0].shape
        if len(size) != 1 or [array.shape for array in arrays] != [size, size, size, (1,)]:
            shapes = [list(array.shape) for array in arrays]
            raise ValueError(f"the detector in {folder} has tensors of shapes {shapes}; get it or train it again")
        mean, scale, weight, bias = arrays
        return cls(config, mean, scale, weight, bias, report)


__all__ = ["BarkDetector"]
