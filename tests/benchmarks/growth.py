"""How the time of a hypothesis test grows with the size of the model."""

from __future__ import annotations

import time
from typing import Any

import histfit
import numpy as np

PARAMETERS = (2, 5, 10, 20, 50, 100, 200, 400)
BINS = (1, 3, 10, 30, 100, 300, 1000)
REPEATS = 3


def over_parameters() -> dict[int, float]:
    """Seconds of CPU time by number of parameters, in 20 bins."""
    return {number: hypotest_time(number, 20) for number in PARAMETERS}


def over_bins() -> dict[int, float]:
    """Seconds of CPU time by number of bins, with 50 parameters."""
    return {number: hypotest_time(50, number) for number in BINS}


def exponent(table: dict[int, float]) -> float:
    """The power of the size that the time grows with, from the three largest sizes."""
    sizes, times = np.log(list(table.items())[-3:]).T
    return float(np.polyfit(sizes, times, 1)[0])


def hypotest_time(parameters: int, bins: int) -> float:
    """Median CPU time of a hypothesis test, over models with different data."""
    times = []
    for seed in range(REPEATS):
        model = histfit.compile_model(search(parameters, bins, seed))
        assert len(model.parameters.labels) == parameters
        started = time.process_time()
        histfit.hypotest(model)
        times.append(time.process_time() - started)
    return float(np.median(times))


def search(parameters: int, bins: int, seed: int) -> dict[str, Any]:
    """A signal over two backgrounds; every systematic scales one of them and tilts the other."""
    rng = np.random.default_rng(seed)
    shape = np.exp(-np.linspace(0.0, 2.0, bins))
    backgrounds = [{"name": name, "data": (60.0 * shape).tolist()} for name in ("top", "w")]
    modifiers: list[list[dict[str, Any]]] = [[], []]
    for i in range(parameters - 1):
        scaled, tilted = (i % 2, 1 - i % 2)
        effect = rng.normal(0.0, 0.05)
        factors = {"lo": 1.0 - effect, "hi": 1.0 + effect}
        modifiers[scaled].append({"name": f"syst{i}", "type": "normsys", "data": factors})
        tilt = 60.0 * shape * np.linspace(-1.0, 1.0, bins) * rng.normal(0.0, 0.05)
        templates = {
            "lo_data": (60.0 * shape - tilt).tolist(),
            "hi_data": (60.0 * shape + tilt).tolist(),
        }
        modifiers[tilted].append({"name": f"syst{i}", "type": "histosys", "data": templates})
    signal = np.sqrt(120.0 * shape / bins) * np.linspace(0.5, 1.5, bins)
    samples = [
        *(item | {"modifiers": m} for item, m in zip(backgrounds, modifiers, strict=True)),
        {
            "name": "signal",
            "data": signal.tolist(),
            "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
        },
    ]
    return {
        "channels": [{"name": "region", "samples": samples}],
        "observations": [{"name": "region", "data": rng.poisson(120.0 * shape).tolist()}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
