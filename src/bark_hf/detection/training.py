"""Two folders of recordings -> a detector, and what it reaches on recordings that it was not trained on.

Knows files, groups and scikit-learn. Must not know how features are made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..evaluation.packages import needed
from ..evaluation.sounds import read_sound
from .detector import BarkDetector
from .evaluating import Evaluation, evaluate
from .features import FeatureConfig, Features

ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff")
GROUPINGS = ("name", "folder")
FOLDS = 4  # one of them is held out
_LEAST_GROUPS = 2 * FOLDS  # fewer say nothing


class TrainedDetector(NamedTuple):
    """A detector and its test.

    Attributes:
        detector: trained on three quarters of the sources.
        evaluation: on the other quarter.
        labels, probabilities: of the held-out recordings, int [N] and float [N].
        refused: recordings that could not be used, one line each.
    """

    detector: BarkDetector
    evaluation: Evaluation
    labels: np.ndarray
    probabilities: np.ndarray
    refused: list[str]


def train_detector(
    real: str | Path,
    generated: str | Path,
    config: FeatureConfig | None = None,
    *,
    group_by: str = "name",
    strength: float = 0.1,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedDetector:
    """Train and test a detector.

    Args:
        real, generated: folders with sound files, also in subfolders.
        config: the features; by default log-mel statistics.
        group_by: what is never divided between training and test: recordings of one "name" (give the same name to
            the real and the generated recording of one text) or of one "folder" (a speaker, a book).
        strength: scikit-learn's `C`: higher follows the training data more closely.
        seed: of the division.
        progress: called with (recordings so far, recordings in all).

    Raises:
        ValueError: for too few recordings or sources, or a folder that is not there.
    """
    needed("sklearn", "training a detector")
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.preprocessing import StandardScaler

    config = config or FeatureConfig()
    if group_by not in GROUPINGS:
        raise ValueError(f"group_by={group_by!r} is unknown; it is one of {', '.join(GROUPINGS)}")
    if not strength > 0:
        raise ValueError(f"strength={strength!r} must be above 0; 0.1 is usual")
    roots = Path(real), Path(generated)
    files = [(path, label) for label, root in enumerate(roots) for path in sound_files(root)]
    features, labels, groups, refused = [], [], [], []
    extractor = Features(config)
    for number, (path, label) in enumerate(files, start=1):
        try:
            samples, rate = read_sound(path)
            features.append(extractor(samples.astype(np.float32), rate))
        except ValueError as error:
            refused.append(str(error) if str(path) in str(error) else f"{path}: {error}")
        else:
            labels.append(label)
            groups.append(_group(path, roots[label], group_by))
        if progress is not None:
            progress(number, len(files))
    x, y = np.array(features), np.array(labels)
    _check_groups(y, np.array(groups), group_by)

    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    train, test = next(iter(folds.split(x, y, groups)))
    if len(set(y[train].tolist())) < 2 or len(set(y[test].tolist())) < 2:
        raise ValueError(
            f"grouped by {group_by}, the held-out quarter has only one kind of recording; add sources, or group by "
            f"{next(other for other in GROUPINGS if other != group_by)}"
        )
    scaler = StandardScaler().fit(x[train])
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=2_000, random_state=seed)
    model.fit(scaler.transform(x[train]), y[train])
    detector = BarkDetector(config, scaler.mean_, scaler.scale_, model.coef_[0], model.intercept_)
    probabilities = detector.probabilities(x[test])
    evaluation = evaluate(y[test], probabilities)
    detector.report = {
        "trained_on": {"real": int((y[train] == 0).sum()), "generated": int((y[train] == 1).sum())},
        "held_out": {name: None if value != value else value for name, value in evaluation._asdict().items()},  # NaN
        "group_by": group_by,
        "strength": strength,
        "seed": seed,
    }
    return TrainedDetector(detector, evaluation, y[test], probabilities, refused)


def sound_files(folder: str | Path) -> list[Path]:
    """The sound files of a folder and its subfolders, in the order of their names.

    Raises:
        ValueError: if there is no such folder, or no sound in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; recordings are taken from folders; check the path")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    if not files:
        raise ValueError(f"{folder} has no sound files ({', '.join(ENDINGS)}); check the path")
    return files


def _group(path: Path, root: Path, group_by: str) -> str:
    return path.stem if group_by == "name" else path.parent.relative_to(root).as_posix()


def _check_groups(labels: np.ndarray, groups: np.ndarray, group_by: str) -> None:
    for label, name in enumerate(("real", "generated")):
        n_recordings, n_groups = int((labels == label).sum()), len(set(groups[labels == label].tolist()))
        least = FOLDS if group_by == "folder" else _LEAST_GROUPS
        if n_groups < least:
            raise ValueError(
                f"there are {n_recordings} usable {name} recordings of {n_groups} sources (by {group_by}); at least "
                f"{least} sources are needed to hold some out; add recordings"
            )


__all__ = ["ENDINGS", "GROUPINGS", "TrainedDetector", "sound_files", "train_detector"]
