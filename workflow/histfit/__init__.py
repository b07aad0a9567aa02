"""Exact and fast fits of HistFactory models (pyhf's JSON workspaces) with numpy and scipy.

>>> import histfit
>>> histfit.hypotest(workspace, mu=1.0).CLs_obs          # doctest: +SKIP

`Background` compiles a background once, for many signals.
"""

from .background import Background
from .density import expected_rates, logpdf
from .errors import FitError, HistfitError, InvalidWorkspace
from .estimate import Estimate, ParameterEstimate, estimate
from .fit import Fit
from .hypotest import HypoTest, hypotest
from .impacts import Impact, Impacts, Refit, impacts
from .limits import UpperLimit, upper_limit
from .model import Model, compile_model
from .toys import Toys, ToyTest, merge_toys, throw_toys
from .yields import ChannelYields, Expected, Yields, yields

__all__ = [
    "Background",
    "ChannelYields",
    "Estimate",
    "Expected",
    "Fit",
    "FitError",
    "HistfitError",
    "HypoTest",
    "Impact",
    "Impacts",
    "InvalidWorkspace",
    "Model",
    "ParameterEstimate",
    "Refit",
    "ToyTest",
    "Toys",
    "UpperLimit",
    "Yields",
    "compile_model",
    "estimate",
    "expected_rates",
    "hypotest",
    "impacts",
    "logpdf",
    "merge_toys",
    "throw_toys",
    "upper_limit",
    "yields",
]
