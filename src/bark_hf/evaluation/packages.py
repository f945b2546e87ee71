"""Optional packages: imported when used, named with their extra when missing. Knows nothing else."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

EXTRA = 'pip install "bark-hf[evaluate]"'


def needed(module: str, purpose: str) -> Any:
    """Import an optional module.

    Args:
        module: as in an import statement.
        purpose: what it is needed for, for the message.

    Raises:
        ImportError: if the module, or something that it needs, is missing; the message names the extra.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what these packages say about their own imports is nothing for the user
            return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{purpose} needs the package {module}, which can't be imported ({error}); {EXTRA}") from None
