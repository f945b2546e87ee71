"""The demo from nothing: checkpoint, pictures, detector. One command, hours on two cores, most of it training.

    python recipes/demo/make.py OUT                  # everything that is not there yet; a killed run goes on
    python recipes/demo/make.py OUT --to OUT/packed  # the package stays as it is; pictures and detector go to OUT too
    python recipes/demo/make.py OUT --only coarse    # one step, for instance to run two trainings side by side
    python recipes/demo/make.py OUT --list

Needs Debian's packages `flite` and `wordnet-base`, and `pip install "bark-hf[train]"`. A step is done when its result
is there; delete a result to make it again. Trainings go on from their own checkpoints. The last steps, from `pack` on,
take minutes and are carried out each time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).absolute().parent
ROOT = HERE.parents[1]
DEMO = ROOT / "src/bark_hf/demo/checkpoint"


class Step(NamedTuple):
    """One command.

    Attributes:
        name: how to call it.
        result: what is there when it is done, below OUT; None if it is carried out each time.
        command: arguments behind `python`; the names in {} are those of `places`.
    """

    name: str
    result: str | None
    command: str


def training(stage: str, name: str, model: str, data: str) -> Step:
    """A training of one stage by the recipe `name`.yaml."""
    command = (
        f"-m bark_hf.training {stage} --config {{here}}/{name}.yaml --model {{out}}/{model} --data {{out}}/{data} "
        f"--output-dir {{out}}/runs/{name}"
    )
    return Step(name, f"runs/{name}/model", command)


STEPS = (
    Step("text", "sentences.jsonl", "{here}/text.py {out}"),
    Step("speech", "speech/rms/metadata.jsonl", "{here}/speech.py {out}"),
    Step(
        "codec",
        "runs/codec/model",
        "-m bark_hf.training codec --config {here}/codec.yaml --data {out}/speech --output-dir {out}/runs/codec",
    ),
    Step(
        "tokenizer",
        "runs/tokenizer/semantic_tokenizer",
        "-m bark_hf.training tokenizer --config {here}/tokenizer.yaml --data {out}/speech "
        "--output-dir {out}/runs/tokenizer",
    ),
    Step("base", "base/config.json", "{here}/base.py {out}/base --codec {out}/runs/codec/model"),
    Step(
        "prepare",
        "prepared",
        "-m bark_hf_cli prepare {out}/speech/slt {out}/speech/rms {out}/prepared --model {out}/base",
    ),
    Step("labels", "prepared_labels", "{here}/labels.py {out}"),
    training("semantic", "semantic_alone", "base", "prepared_labels"),
    training("semantic", "semantic", "runs/semantic_alone/model", "prepared_labels"),
    training("coarse", "coarse_alone", "base", "prepared"),
    training("coarse", "coarse_voices", "runs/coarse_alone/model", "prepared"),
    training("coarse", "coarse", "runs/coarse_voices/model", "prepared"),
    training("fine", "fine", "base", "prepared"),
    Step("pack", None, "{here}/pack.py {out} --to {to}"),
    Step("picture", None, "{here}/picture.py {out} --model {to} --to {images}"),
    Step("gallery", None, "{here}/gallery.py --model {to} --to {images}"),
    Step(
        "detector",
        None,
        "{here}/detector.py {out} --model {to} --detector {detector} --plot {images}/detector.png "
        "--plot-networks {images}/detector_networks.png",
    ),
)


def places(out: Path, to: Path) -> dict[str, Path]:
    """Where things are, and go: pictures and detector into the project only with the project's own checkpoint."""
    ours = to == DEMO
    return {
        "here": HERE,
        "out": out,
        "to": to,
        "images": ROOT / "docs/images" if ours else out / "images",
        "detector": DEMO.parent / "detector" if ours else out / "packed_detector",
    }


def run(step: Step, where: dict[str, Path]) -> None:
    """Carry out one step unless its result is there.

    Raises:
        SystemExit: with the step's exit code if it fails.
    """
    if step.result is not None and (where["out"] / step.result).exists():
        print(f"{step.name}: there", flush=True)
        return
    command = [sys.executable, *step.command.format(**where).split()]
    print(f"{step.name}: {' '.join(command)}", flush=True)
    code = subprocess.run(command, check=False).returncode
    if code:
        raise SystemExit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=[step.name for step in STEPS], help="these steps alone")
    parser.add_argument("--list", action="store_true", help="print the commands and stop")
    parser.add_argument("--to", type=Path, default=DEMO, help="where the packed checkpoint goes")
    args = parser.parse_args()

    where = places(args.out.absolute(), args.to.absolute())
    for step in STEPS:
        if args.list:
            print(f"{step.name}: python {step.command.format(**where)}")
        elif args.only is None or step.name in args.only:
            run(step, where)


if __name__ == "__main__":
    main()
