"""The errors that histfit raises."""

from __future__ import annotations


class HistfitError(Exception):
    """Base of every error that histfit raises on purpose."""


class InvalidWorkspace(HistfitError):
    """The workspace is not a HistFactory model; the message names channel, sample and modifier."""


class FitError(HistfitError):
    """A fit did not reach a certified minimum, so that no number can be given."""
