"""Models of 200 to 1000 parameters: all fits converge, and no worse than pyhf's."""

from __future__ import annotations

import histfit
import numpy as np
import pyhf
import pytest
from models import (
    LUMI,
    Spec,
    counterpart,
    histosys,
    lumi,
    normfactor,
    normsys,
    sample,
    staterror,
    workspace,
)


def search(seed: int, parameters: int, channels: int, bins: int) -> Spec:
    """A search with control and signal regions and systematics correlated everywhere."""
    rng = np.random.default_rng(seed)
    count = parameters - 3 - channels * bins
    names = [f"syst{i:03d}" for i in range(count)]
    regions, observed = {}, {}
    for c in range(channels):
        size = 10.0 ** rng.uniform(0.7, 3.5)
        shape = np.exp(-np.linspace(0.0, rng.uniform(0.0, 3.0), bins))
        total = np.zeros(bins)
        samples = []
        for process in ("fakes", "top", "w"):
            nominal = size * rng.uniform(0.2, 1.0) * shape * rng.uniform(0.7, 1.3, bins)
            modifiers = [staterror(f"stat_{c}", (0.08 * nominal).tolist())]
            for name in names:
                kind = rng.random()
                if kind < 0.35:
                    effect = rng.normal(0.0, 0.04)
                    up, down = 1 + effect, 1 - effect * rng.uniform(0.2, 1.3)
                    modifiers.append(normsys(name, down, up))
                if kind < 0.2 or kind > 0.85:
                    tilt = rng.normal(0.0, 0.04) * np.linspace(-1.0, 1.0, bins) + 1.0
                    one_sided = rng.random() < 0.1
                    lo = nominal if one_sided else nominal * (2.0 - tilt)
                    modifiers.append(histosys(name, lo.tolist(), (nominal * tilt).tolist()))
            modifiers.append(lumi() if process == "fakes" else normfactor(f"mu_{process}"))
            samples.append(sample(process, nominal.tolist(), *modifiers))
            total += nominal
        if c % 2:
            signal = 0.4 * np.sqrt(total) * np.linspace(0.2, 1.5, bins)
            samples.append(sample("signal", signal.tolist(), normfactor("mu"), lumi()))
        regions[f"region{c}"] = samples
        observed[f"region{c}"] = rng.poisson(total).astype(float).tolist()
    return workspace(regions, observed, parameters=[LUMI])


SIZES = [(200, 8, 6), (300, 10, 8), (400, 12, 10)]


@pytest.mark.parametrize(("parameters", "channels", "bins"), SIZES)
def test_large_models_converge(parameters: int, channels: int, bins: int) -> None:
    model = histfit.compile_model(search(parameters, parameters, channels, bins))
    assert len(model.parameters.labels) == pytest.approx(parameters, abs=3)
    result = histfit.hypotest(model)
    for fit in result.fits.values():
        assert fit.converged
        assert fit.edm < 1e-9
    assert 0.0 < result.CLs_obs < 1.0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("parameters", "channels", "bins"), SIZES)
def test_many_large_models_converge(seed: int, parameters: int, channels: int, bins: int) -> None:
    model = histfit.compile_model(search(1000 * parameters + seed, parameters, channels, bins))
    for mu in (0.2, 1.0, 3.0):
        assert all(fit.converged for fit in histfit.hypotest(model, mu).fits.values())


@pytest.mark.long
def test_a_large_model_is_fitted_at_least_as_well_as_by_pyhf() -> None:
    spec = search(7, 200, 8, 6)
    model = histfit.compile_model(spec)
    other = counterpart(spec, model)
    result = histfit.hypotest(model)
    pyhf.set_backend("jax", pyhf.optimize.scipy_optimizer(tolerance=1e-13), precision="64b")
    try:
        for name, mu in (("free", None), ("conditional", 1.0), ("background", 0.0)):
            if mu is None:
                pars, reached = pyhf.infer.mle.fit(other.data, other.model, return_fitted_val=True)
            else:
                pars, reached = pyhf.infer.mle.fixed_poi_fit(
                    mu, other.data, other.model, return_fitted_val=True
                )
            fit = result.fits[name]
            assert 2.0 * fit.nll <= float(reached) + 1e-6
            moved = np.abs(np.asarray(pars) - fit.values[other.order])
            assert moved.max() < 1e-2 or float(reached) - 2.0 * fit.nll > 1e-6
    finally:
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())


@pytest.mark.long
def test_a_thousand_bins() -> None:
    spec = search(11, 1043, 20, 50)
    assert all(fit.converged for fit in histfit.hypotest(spec).fits.values())
