"""From a DOI to an exclusion contour: everything around the fit module."""
