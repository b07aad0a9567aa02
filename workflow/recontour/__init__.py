"""From a DOI to an exclusion contour: everything around the fit module."""

__version__ = "0.1.0"
