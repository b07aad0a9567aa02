"""Hypothesis tests of published signal points with pyhf run to convergence, as JSON lines.

    python tests/benchmarks/oracle.py MIRROR SCRATCH OUTPUT

MIRROR is a folder of HEPData resources filed by DOI, SCRATCH one to unpack them to. A line of
OUTPUT holds a point's CLs and its fits' parameters, in pyhf's order, and 2NLL. Points that OUTPUT
holds are not done again, so the program may be interrupted; all 775 points take hours, and come in
an order in which any first part is a fair sample.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import numpy as np
import pyhf
from published import Likelihood, likelihoods, unpacked
from pyhf.optimize.opt_jax import _jitted_objective_and_grad as compiled

TOLERANCE = 1e-13
SBOTTOM_PER_1LBB = 2
"""So many points of sbottom follow one of 1Lbb, while there are any."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mirror", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    done = set()
    if options.output.exists():
        done = {json.loads(line)["point"] for line in options.output.read_text().splitlines()}
    use_jax()
    with options.output.open("a", encoding="utf-8") as output:
        for likelihood, point in in_order(
            list(likelihoods(unpacked(options.mirror, options.scratch)))
        ):
            if f"{likelihood.name}/{point}" not in done:
                print(json.dumps(oracle(likelihood, point)), file=output, flush=True)


def use_jax() -> None:
    """Make pyhf fit with jax's gradients, until the objective changes by less than `TOLERANCE`."""
    pyhf.set_backend("jax", pyhf.optimize.scipy_optimizer(tolerance=TOLERANCE), precision="64b")


def in_order(all_likelihoods: list[Likelihood]) -> Iterator[tuple[Likelihood, str]]:
    """Every point, shuffled, the points of sbottom spread between those of 1Lbb."""
    shuffled = random.Random(1)
    points = [[(item, point) for point in item.patches] for item in all_likelihoods]
    first, rest = points[0], [point for part in points[1:] for point in part]
    shuffled.shuffle(first)
    shuffled.shuffle(rest)
    while first or rest:
        yield from first[:1]
        yield from rest[:SBOTTOM_PER_1LBB]
        first, rest = first[1:], rest[SBOTTOM_PER_1LBB:]


def oracle(likelihood: Likelihood, point: str) -> dict[str, Any]:
    """pyhf's answer at one point; its error message where it has none."""
    started = time.process_time()
    compiled.clear_cache()  # what jax compiled for another point is of no use here
    result: dict[str, Any] = {"point": f"{likelihood.name}/{point}"}
    workspace = pyhf.Workspace(likelihood.workspace(point), validate=False)
    try:
        model = workspace.model(validate=False)
        data = workspace.data(model)
        observed, band, calculator = pyhf.infer.hypotest(
            1.0, data, model, return_expected_set=True, return_calculator=True
        )
    except (pyhf.exceptions.FailedMinimization, pyhf.exceptions.InvalidModel) as error:
        return result | {"error": type(error).__name__}
    fitted = calculator.fitted_pars
    asimov = model.expected_data(fitted.asimov_pars)
    fits = {
        "conditional": (fitted.fixed_poi_fit_to_data, data),
        "free": (fitted.free_fit_to_data, data),
        "background": (fitted.asimov_pars, data),
        "asimov": (fitted.fixed_poi_fit_to_asimov, asimov),
    }
    return result | {
        "CLs_obs": float(observed),
        "CLs_exp": [float(value) for value in band],
        "fits": {
            name: {
                "twice_nll": float(pyhf.infer.mle.twice_nll(values, to, model)[0]),
                "parameters": np.asarray(values).tolist(),
            }
            for name, (values, to) in fits.items()
        },
        "seconds": time.process_time() - started,
    }


if __name__ == "__main__":
    main()
