"""Toys by histfit and by pyhf side by side: CPU time of the test statistic of a toy, one thread.

    python tests/benchmarks/toys.py MIRROR SCRATCH

prints a Markdown table. MIRROR is a folder of HEPData resources filed by DOI, SCRATCH one to unpack
them to. pyhf runs at its defaults (SLSQP) on toys that histfit's are drawn like, half of each
hypothesis.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import histfit
import numpy as np
import pyhf
from published import likelihoods, unpacked

COUNTING = {
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "background",
                    "data": [4.0],
                    "modifiers": [{"name": "b", "type": "normsys", "data": {"lo": 0.8, "hi": 1.2}}],
                },
                {
                    "name": "signal",
                    "data": [5.0],
                    "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                },
            ],
        }
    ],
    "observations": [{"name": "SR", "data": [3.0]}],
    "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
    "version": "1.0.0",
}
POINTS = {"sbottomA": "sbottom_1400_950_60", "1Lbb": "C1N2_Wh_hbb_650_300"}
OURS = {"counting": 5000, "sbottomA": 150, "1Lbb": 60}
THEIRS = {"counting": 100, "sbottomA": 4, "1Lbb": 2}
"""Toys of each hypothesis that histfit, and pyhf, are given."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mirror", type=Path)
    parser.add_argument("scratch", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    specs: dict[str, dict[str, Any]] = {"counting": COUNTING}
    for likelihood in likelihoods(unpacked(options.mirror, options.scratch)):
        if likelihood.name in POINTS:
            point = POINTS[likelihood.name]
            specs[likelihood.name] = likelihood.workspace(point)
    print("| model | parameters | histfit [ms a toy] | pyhf [ms a toy] | ratio | failed |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in OURS:
        print(compared(name, specs[name]), flush=True)


def compared(name: str, spec: dict[str, Any]) -> str:
    """A row of the table."""
    model = histfit.compile_model(spec)
    started = time.process_time()
    toys = histfit.throw_toys(model, toys=OURS[name], seed=1)
    ours = (time.process_time() - started) / (2 * OURS[name])
    theirs = pyhf_time(spec, toys.observed, THEIRS[name])
    return (
        f"| {name} | {len(model.parameters.labels)} | {1e3 * ours:.3g} | {1e3 * theirs:.3g} "
        f"| {theirs / ours:.0f} | {sum(toys.hypotest().failed)} |"
    )


def pyhf_time(spec: dict[str, Any], observed: histfit.HypoTest, count: int) -> float:
    """Seconds that pyhf's test statistic of a toy takes."""
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())
    np.random.seed(1)  # noqa: NPY002  # what pyhf draws from
    workspace = pyhf.Workspace(spec)
    model = workspace.model()
    config = model.config
    samples = []
    for fit in ("conditional", "background"):
        values = np.array([observed.fits[fit][name] for name in config.par_names])
        samples += list(model.make_pdf(values).sample((count,)))
    started = time.process_time()
    for data in samples:
        pyhf.infer.test_statistics.qmu_tilde(
            observed.mu,
            data,
            model,
            config.suggested_init(),
            config.suggested_bounds(),
            config.suggested_fixed(),
        )
    return (time.process_time() - started) / len(samples)


if __name__ == "__main__":
    main()
