"""Starts `bark-hf`. That this module is loaded tells `bark_hf` to wait with importing torch until a command needs it."""

from bark_hf.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
