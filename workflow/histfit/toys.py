"""Hypothesis tests with toys (pseudo-experiments) in place of asymptotic formulae.

For searches with few events, where the asymptotic distributions of arXiv:1007.1727 (CCGV) do not
hold. The toys are those of pyhf's ToyCalculator, after the LHC Higgs combination procedure
(ATL-PHYS-PUB-2011-11, CMS NOTE-2011/005): main and auxiliary data are drawn with all parameters at
their best fit to the observed data under each of the two hypotheses, and both fits that the test
statistic needs are made to each toy.

Toys are numbered. Number i is the same whoever throws it: its random numbers come from the
counter-based generator Philox (J. K. Salmon et al., SC'11, doi:10.1145/2063384.2063405), keyed by
the seed and the block of `BLOCK` toys that i is in. So jobs may share the work, and merge it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from scipy.special import ndtr

from .arrays import Array, any_of
from .errors import InvalidWorkspace
from .fit import at_poi, expected_data, problem, solve
from .hypotest import N_SIGMA, HypoTest, asymptotic_test, test_statistic, warn_of_no_signal
from .hypotheses import ABOVE, bin_label, free_range, in_range
from .likelihood import Data, expected_bins
from .minimize import SAME_MINIMUM
from .model import Model, as_model

BLOCK = 1000
"""Toys that share a random number generator."""

WORKING_SET = 1_000_000
"""How many numbers the fits of toys that are made at once keep in memory, about."""

BENT = 0.1
"""Bend of a systematic (see `model.Model.bend`) from which on fits to toys can have more minima
than one."""

TIE = 1e-7
"""Test statistics this close are equal: with few events many toys repeat the observed counts, and
their fits agree to rounding only."""

NEGATIVE = 1e-6
"""How far a fit to a bin without events may leave its rate below 0."""

LARGEST_POISSON = 1e15
"""Mean above which a Poisson number is drawn from its normal limit (numpy's end at 9e18)."""


@dataclass(frozen=True, slots=True)
class ToyTest:
    """Result of a hypothesis test with toys.

    Every p-value is a count k out of n toys; its error is the standard deviation of the binomial
    probability after k of n (arXiv:physics/0701199), which is not 0 even for k = 0.

    Attributes:
        mu: tested signal strength
        test_stat: "qtilde", "q", "t" or "q0"
        CLs_obs, CLs_error: observed CLs = CLsb/CLb and its statistical error; None where no toy of
            the alternative reaches `q_obs`, so that more are needed
        CLs_exp: CLs expected under the alternative (background only; for q0, μ = 1) at −2, −1, 0,
            +1, +2 σ
        CLsb_obs, CLsb_error: p-value of the tested hypothesis; for q0 that is p₀
        CLb_obs, CLb_error: p-value of the alternative
        CLsb_exp, CLb_exp: the same at −2…+2 σ
        q_obs: the test statistic on the observed data
        toys: number of toys thrown of each hypothesis
        failed: how many toys of the tested hypothesis, and of the alternative, are not counted
            since a fit to them did not converge
        observed: the asymptotic test of the same data, with its fits
    """

    mu: float
    test_stat: str
    CLs_obs: float | None
    CLs_error: float | None
    CLs_exp: tuple[float, ...]
    CLsb_obs: float
    CLsb_error: float
    CLb_obs: float
    CLb_error: float
    CLsb_exp: tuple[float, ...]
    CLb_exp: tuple[float, ...]
    q_obs: float
    toys: int
    failed: tuple[int, int]
    observed: HypoTest


@dataclass(frozen=True, slots=True, eq=False)
class Toys:
    """The test statistic of the toys number `first` to `first` + n − 1.

    Attributes:
        seed: of the random numbers
        first: number of the first toy
        tested, alternative: the test statistic of toys of the tested hypothesis, and of the
            background (for q0: of μ = 1), (n,); NaN where a fit failed
        poi_range: of the POI in the free fits
        observed: the asymptotic test of the observed data
    """

    seed: int
    first: int
    tested: Array
    alternative: Array
    poi_range: tuple[float, float]
    observed: HypoTest

    def hypotest(self) -> ToyTest:
        """The p-values that these toys give.

        Raises:
            InvalidWorkspace: no fit to the toys of a hypothesis converged.
        """
        tested, alternative = (np.sort(q[~np.isnan(q)]) for q in (self.tested, self.alternative))
        if not len(tested) or not len(alternative):
            raise InvalidWorkspace(
                f"toys: found {len(tested)} and {len(alternative)} fitted toys of the two "
                "hypotheses; expected at least one of each"
            )
        q_obs = np.array([self.observed.q_obs])
        CLsb, CLb = (float(_reach(toys, q_obs)[0]) for toys in (tested, alternative))
        CLsb_error, CLb_error = _error(CLsb, len(tested)), _error(CLb, len(alternative))
        band_CLsb, band_CLb = _reach(tested, alternative), _reach(alternative, alternative)
        levels = ndtr(np.array(N_SIGMA, dtype=np.float64))
        CLsb_exp, CLb_exp, CLs_exp = (
            tuple(np.quantile(p, levels).tolist())
            for p in (band_CLsb, band_CLb, band_CLsb / band_CLb)
        )
        return ToyTest(
            mu=self.observed.mu,
            test_stat=self.observed.test_stat,
            CLs_obs=CLsb / CLb if CLb else None,
            CLs_error=math.hypot(CLsb_error, CLb_error * CLsb / CLb) / CLb if CLb else None,
            CLs_exp=CLs_exp,
            CLsb_obs=CLsb,
            CLsb_error=CLsb_error,
            CLb_obs=CLb,
            CLb_error=CLb_error,
            CLsb_exp=CLsb_exp,
            CLb_exp=CLb_exp,
            q_obs=self.observed.q_obs,
            toys=len(self.tested),
            failed=(len(self.tested) - len(tested), len(self.alternative) - len(alternative)),
            observed=self.observed,
        )


def throw_toys(
    spec: Mapping[str, Any] | Model,
    mu: float = 1.0,
    *,
    toys: int = 10_000,
    first: int = 0,
    seed: int = 0,
    test_stat: str = "qtilde",
    poi_bounds: tuple[float, float] | None = None,
) -> Toys:
    """Throw toys of both hypotheses, and fit them.

    Args:
        spec: a workspace in pyhf's schema, or a compiled model.
        mu, test_stat, poi_bounds: as in `hypotest`.
        toys: how many of each hypothesis.
        first: the number of the first one; jobs that share the work take different ranges, best
            from multiples of `BLOCK`.
        seed: a whole number from 0 to 2⁶⁴ − 1; the same toys come from the same seed.

    Raises:
        InvalidWorkspace: `spec` is not a HistFactory model, or an argument makes no sense.
        FitError: a fit to the observed data did not converge.
    """
    model = as_model(spec)
    toys, first, seed = index(toys), index(first), index(seed)
    if toys < 1 or not 0 <= first < 2**63 - toys or not 0 <= seed < 2**64:
        raise InvalidWorkspace(
            f"toys: found toys {toys}, first {first}, seed {seed}; expected at least 1, at least "
            "0 and with toys below 2^63, and 0 to 2^64 - 1"
        )
    observed = asymptotic_test(model, mu, test_stat, poi_bounds)
    warn_of_no_signal(model)
    poi_range = free_range(model, poi_bounds, test_stat)
    truths = [observed.fits[name].values[None] for name in ("conditional", "background")]
    for truth in truths:
        _demand_rates(model, truth)
    thrown = []
    for hypothesis, truth in enumerate(truths):
        batches = _draw(model, truth, hypothesis, seed, first, first + toys)
        others = truths[1 - hypothesis]
        thrown.append(
            np.concatenate(
                [_test_statistics(model, d, observed, truth, others, poi_range) for d in batches]
            )
        )
    tested, alternative = thrown
    tested.flags.writeable = alternative.flags.writeable = False
    return Toys(seed, first, tested, alternative, poi_range, observed)


def merge_toys(parts: Iterable[Toys]) -> Toys:
    """Toys thrown by several jobs, as if one had thrown them all: bit for bit.

    Raises:
        InvalidWorkspace: they are not of the same test and seed, or their numbers leave a gap or
            overlap.
    """
    parts = list(parts)
    for part in parts:
        if not isinstance(part, Toys):
            raise InvalidWorkspace(f"toys to merge: found {part!r:.80}; expected Toys")
    ordered = sorted(parts, key=lambda part: part.first)
    if not ordered:
        raise InvalidWorkspace("toys to merge: found none; expected at least one part")
    start = ordered[0]
    following = start.first
    for part in ordered:
        if part.first != following:
            raise InvalidWorkspace(
                f"toys to merge: found a part that starts with number {part.first}; expected "
                f"{following}, the one after the part before"
            )
        for name, mine, others in (
            ("seed", part.seed, start.seed),
            ("mu", part.observed.mu, start.observed.mu),
            ("test statistic", part.observed.test_stat, start.observed.test_stat),
            ("range of the POI", part.poi_range, start.poi_range),
        ):
            if mine != others:
                raise InvalidWorkspace(f"toys to merge, {name}: found {mine}; expected {others}")
        expected = _fingerprint(start.observed)
        for name, value in _fingerprint(part.observed).items():
            if not math.isclose(value, expected[name], rel_tol=TIE, abs_tol=TIE):
                raise InvalidWorkspace(
                    f"toys to merge, {name}: found {value:.9g}; expected {expected[name]:.9g}, as "
                    "for the same model and data"
                )
        following += len(part.tested)
    tested = np.concatenate([part.tested for part in ordered])
    alternative = np.concatenate([part.alternative for part in ordered])
    tested.flags.writeable = alternative.flags.writeable = False
    return Toys(start.seed, start.first, tested, alternative, start.poi_range, start.observed)


def _fingerprint(test: HypoTest) -> dict[str, float]:
    """Numbers that differ from model to model and with the data."""
    statistics = {
        "observed test statistic": test.q_obs,
        "Asimov test statistic": test.q_asimov,
    }
    return statistics | {f"NLL of the {name} fit": fit.nll for name, fit in test.fits.items()}


def _demand_rates(model: Model, truth: Array) -> None:
    """Raise InvalidWorkspace where the rate of a bin is negative at `truth` (1, P)."""
    rates = expected_bins(model, truth)[0]
    i = int(np.argmin(rates - model.floor))
    if rates[i] < model.floor[i] - NEGATIVE:
        raise InvalidWorkspace(
            f"{bin_label(model, i)}: found that {rates[i]:.3g} events are expected under a "
            "hypothesis that toys are to be thrown of; expected rates that are not negative"
        )


def _draw(
    model: Model, truth: Array, hypothesis: int, seed: int, first: int, stop: int
) -> Iterator[Data]:
    """Toys number `first` to `stop` − 1 around `truth` (1, P), a few at a time."""
    asimov = expected_data(model, truth)
    parameters = model.parameters
    normal, poisson = np.flatnonzero(parameters.weight), np.flatnonzero(parameters.tau)
    widths = parameters.weight[normal] ** -0.5
    n_parameters, n_cells = len(parameters.labels), len(model.nominal)
    chunk = WORKING_SET // (n_parameters * (4 * n_cells + 4 * n_parameters))
    chunk = min(max(chunk, 1), BLOCK)
    for block in range(first // BLOCK, (stop - 1) // BLOCK + 1):
        bits = np.random.Philox(key=np.array([seed, block], dtype=np.uint64))
        generator = np.random.Generator(bits.jumped(hypothesis))
        counts = _poisson(generator, asimov.counts)
        aux = np.repeat(asimov.aux, BLOCK, axis=0)
        aux[:, normal] += widths * generator.standard_normal((BLOCK, len(normal)))
        aux[:, poisson] = _poisson(generator, asimov.aux[:, poisson])
        for row in range(0, BLOCK, chunk):
            low, high = (end - block * BLOCK for end in (first, stop))
            rows = slice(max(row, low), min(row + chunk, high))
            if rows.start < rows.stop:
                yield Data(counts[rows], aux[rows])


def _poisson(generator: np.random.Generator, mean: Array) -> Array:
    """`BLOCK` rows of Poisson numbers; `mean` has shape (1, n)."""
    shape = (BLOCK, mean.shape[1])
    large = mean > LARGEST_POISSON
    numbers = generator.poisson(np.where(large, 0.0, mean), shape).astype(np.float64)
    if any_of(large):
        limit = np.rint(mean + np.sqrt(mean) * generator.standard_normal(shape))
        numbers = np.where(large, limit, numbers)
    return numbers


def _test_statistics(
    model: Model,
    data: Data,
    observed: HypoTest,
    truth: Array,
    other: Array,
    poi_range: tuple[float, float],
) -> Array:
    """The test statistic (n,) on each row of `data`; NaN where a fit did not converge.

    The free fit comes first; where its signal strength makes the test statistic 0, no other is
    needed. Should the conditional fit end below it, the free fit is made again from there.
    """
    n_toys, thorough = len(data.counts), any_of(model.bend > BENT)
    starts = [np.repeat(point, n_toys, axis=0) for point in (truth, other)]
    free = solve(problem(model, data, poi_bounds=poi_range), starts, thorough=thorough)

    def statistic(row: int, excess: float) -> float:
        muhat = None if model.poi is None else float(free.x[row, model.poi])
        return test_statistic(observed.test_stat, observed.mu, muhat, excess)

    rows = np.array([i for i in range(n_toys) if statistic(i, 1.0) > 0.0], dtype=np.intp)
    excess = np.zeros(n_toys)
    converged = free.minimum.converged.copy()
    if len(rows):
        some = Data(data.counts[rows], data.aux[rows])
        starts = [at_poi(model, x[rows], observed.mu) for x in (free.x, *starts)]
        tested = solve(problem(model, some, held=True), starts, thorough=thorough)
        below = tested.value < free.value[rows] - SAME_MINIMUM
        if any_of(below):
            lower = rows[below]
            some = Data(data.counts[lower], data.aux[lower])
            what = problem(model, some, poi_bounds=poi_range)
            again = solve(what, [tested.x[below]], thorough=thorough).minimum
            better = (again.value < free.value[lower]).nonzero()[0]
            free.minimum.put(lower[better], again.take(better))
        excess[rows] = tested.value - free.value[rows]
        converged[rows] = tested.minimum.converged & free.minimum.converged[rows]
        if in_range(model, observed.mu, poi_range):
            converged[rows] &= excess[rows] > -ABOVE
    q = np.array([statistic(i, excess[i]) for i in range(n_toys)])
    return np.where(converged, q, np.nan)


def _reach(toys: Array, q: Array) -> Array:
    """The part of sorted `toys` whose test statistic is at least `q`, for each of these."""
    return 1.0 - np.searchsorted(toys, q - TIE) / len(toys)


def _error(p_value: float, n_toys: int) -> float:
    """Standard deviation of a binomial probability, from the Bayesian posterior for a flat prior
    (arXiv:physics/0701199)."""
    k = p_value * n_toys
    mean = (k + 1.0) / (n_toys + 2.0)
    return math.sqrt(mean * (1.0 - mean) / (n_toys + 3.0))
