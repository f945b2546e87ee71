"""Starts `bark-hf`: that this module is loaded tells `bark_hf` to import torch only when a command needs it."""

from bark_hf.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
