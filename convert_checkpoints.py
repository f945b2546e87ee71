"""Turn Suno's Bark checkpoints into a folder in the Hub's layout: `python convert_checkpoints.py --help`."""

from __future__ import annotations

from bark_hf.conversion import main

if __name__ == "__main__":
    raise SystemExit(main())
