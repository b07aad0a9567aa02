"""From a DOI to an exclusion contour: everything around the fit module.

For notebooks: `recontour.open`, `recontour.download`; see `recontour.library`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from recontour.library import Likelihood, Scan, Signal, download, open

__all__ = ["Likelihood", "Scan", "Signal", "download", "open"]


def __getattr__(name: str) -> Any:
    """Load the library when it is asked for. The workflow's programs start without it, and do not
    depend on it: `recontour.imports` sees import statements only."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("recontour.library"), name)
