"""The small checkpoint that `recipes/demo` trains from nothing and puts here: two English voices, an early state.

Knows where it lies. It is an ordinary Bark folder: every loading function takes its path. `README.md` beside this file
is its model card.
"""

from __future__ import annotations

from pathlib import Path

DEMO = "demo"  # the checkpoint's name where a model is asked for; a folder of that name is "./demo"


def demo_path() -> str:
    """The folder of the demo checkpoint, for `from_pretrained`.

    Raises:
        FileNotFoundError: as long as it has not been built.

    Example:

    ```python
    >>> import bark_hf
    >>> model = bark_hf.BarkModel.from_pretrained(bark_hf.demo_path())  # doctest: +SKIP
    >>> model.sampling_rate  # doctest: +SKIP
    24000

    ```
    """
    folder = Path(__file__).parent / "checkpoint"
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"{folder} has no config.json: the demo checkpoint is not built. Build it with recipes/demo/make.py, or "
            "name another model, such as suno/bark-small."
        )
    return str(folder)


def without_nickname(source: str) -> str:
    """A folder or Hub name as it is given; for "demo" the demo checkpoint's folder."""
    return demo_path() if source == DEMO else source


__all__ = ["DEMO", "demo_path", "without_nickname"]
