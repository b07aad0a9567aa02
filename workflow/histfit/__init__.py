"""Exact and fast fits of HistFactory models (pyhf's JSON workspaces) with numpy and scipy.

>>> import histfit
>>> histfit.hypotest(workspace, mu=1.0).CLs_obs          # doctest: +SKIP

`Background` compiles a background once, for many signals.
"""

from .background import Background
from .errors import FitError, HistfitError, InvalidWorkspace
from .fit import Fit
from .hypotest import HypoTest, hypotest
from .limits import UpperLimit, upper_limit
from .model import Model, compile_model
from .toys import Toys, ToyTest, merge_toys, throw_toys

__all__ = [
    "Background",
    "Fit",
    "FitError",
    "HistfitError",
    "HypoTest",
    "InvalidWorkspace",
    "Model",
    "ToyTest",
    "Toys",
    "UpperLimit",
    "compile_model",
    "hypotest",
    "merge_toys",
    "throw_toys",
    "upper_limit",
]
