"""Whether random starts find lower minima than histfit's fits of published points do.

    python tests/benchmarks/minima.py MIRROR SCRATCH [--starts 12] [--seed 0]

prints a line for each of the four fits of a test that a random start gets below, and how many fits
were tried. MIRROR is a folder of HEPData resources filed by DOI, SCRATCH one to unpack them to.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "histfit"))

import histfit
from histfit.fit import expected_data, observed_data
from published import Likelihood, likelihoods, unpacked
from recontour import patches
from starts import lowest, objective

SAME_MINIMUM = 1e-7
"""What objectives of one and the same minimum may differ by."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mirror", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--starts", type=int, default=12, help="for each fit")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tried = lower = 0
    for likelihood in likelihoods(unpacked(options.mirror, options.scratch)):
        for point, fit, gain in gains(likelihood, options.seed, options.starts):
            tried += 1
            if gain > SAME_MINIMUM:
                lower += 1
                print(f"{likelihood.name} {point}, {fit}: lower by {2.0 * gain:.3g} in 2NLL")
    print(f"{lower} of {tried} fits end lower from one of {options.starts} random starts")


def gains(likelihood: Likelihood, seed: int, starts: int) -> Iterator[tuple[str, str, float]]:
    """How much lower than the four fits of every point the best of their random starts ends."""
    background = histfit.Background(likelihood.background)
    for point, operations in likelihood.patches.items():
        model = background.model(patches.apply(likelihood.background, operations, point))
        if model.poi is None:  # the patch adds no signal
            continue
        fits = histfit.hypotest(model).fits
        observed = observed_data(model)
        asimov = expected_data(model, fits["background"].values[None])
        for name, data, mu in (
            ("background", observed, 0.0),
            ("conditional", observed, 1.0),
            ("free", observed, None),
            ("asimov", asimov, 1.0),
        ):
            best = lowest(model, data, mu, seed, starts)
            yield point, name, objective(model, data, fits[name]) - best


if __name__ == "__main__":
    main()
