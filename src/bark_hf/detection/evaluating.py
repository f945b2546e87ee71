"""How well labels are found: precision, recall, areas, a picture. Knows numbers; knows no sound."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..evaluation.packages import needed


class Evaluation(NamedTuple):
    """Results on labelled recordings; "generated" is what is looked for.

    Attributes:
        n_real, n_generated: how many recordings.
        threshold: probabilities from here on count as generated.
        precision: share of those called generated that are. NaN if none is called so.
        recall: share of the generated that are called so.
        false_alarms: share of the real ones called generated.
        average_precision: area under precision over recall. A guess has n_generated / (n_real + n_generated).
        roc_auc: how often a generated one gets a higher probability than a real one. A guess has 0.5.
    """

    n_real: int
    n_generated: int
    threshold: float
    precision: float
    recall: float
    false_alarms: float
    average_precision: float
    roc_auc: float


def evaluate(labels: np.ndarray, probabilities: np.ndarray, threshold: float = 0.5) -> Evaluation:
    """Compare probabilities with the truth.

    Args:
        labels: int [N], 1 is generated, 0 is real; both must be there.
        probabilities: float [N].
        threshold: see `Evaluation`.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    labels = np.asarray(labels)
    if set(np.unique(labels).tolist()) != {0, 1}:
        raise ValueError("real and generated recordings are needed to evaluate; one of them is missing")
    called = probabilities >= threshold
    hits = int((called & (labels == 1)).sum())
    return Evaluation(
        n_real=int((labels == 0).sum()),
        n_generated=int((labels == 1).sum()),
        threshold=threshold,
        precision=hits / int(called.sum()) if called.any() else float("nan"),
        recall=hits / int((labels == 1).sum()),
        false_alarms=float(called[labels == 0].mean()),
        average_precision=float(average_precision_score(labels, probabilities)),
        roc_auc=float(roc_auc_score(labels, probabilities)),
    )


def plot_evaluation(labels: np.ndarray, probabilities: np.ndarray, path: str | Path, threshold: float = 0.5) -> None:
    """Write a PNG: precision over recall, and how the probabilities of both kinds lie."""
    from sklearn.metrics import precision_recall_curve

    from ..audio import write_file

    result = evaluate(labels, probabilities, threshold)
    figure = needed("matplotlib.figure", "the plot").Figure(figsize=(9, 3.8), layout="constrained", dpi=110)
    left, right = figure.subplots(1, 2)
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    left.step(recall, precision, where="post", color="#3b6ea5")
    left.plot([result.recall], [result.precision], "o", color="#c0392b", label=f"threshold {threshold:g}")
    left.axhline(result.n_generated / (result.n_generated + result.n_real), ls=":", color="#777777", label="a guess")
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
    left.set_title(f"average precision {result.average_precision:.3f}, ROC area {result.roc_auc:.3f}")
    left.legend(loc="lower left", frameon=False)
    _draw_probabilities(right, np.asarray(labels), probabilities, threshold)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_file(Path(path), content.getvalue())


def _draw_probabilities(axes: Any, labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> None:
    bins = np.linspace(0, 1, 21)
    for label, name, colour in ((0, "real", "#3b6ea5"), (1, "generated", "#e08e45")):
        axes.hist(probabilities[labels == label], bins=bins, alpha=0.6, label=name, color=colour)
    axes.axvline(threshold, color="#c0392b", linewidth=1)
    axes.set(xlabel="probability of being generated", ylabel="recordings")
    axes.legend(frameon=False)


__all__ = ["Evaluation", "evaluate", "plot_evaluation"]
