"""CPU time of histfit and of pyhf side by side, on published likelihoods, with one thread.

    python tests/benchmarks/speed.py MIRROR SCRATCH [--quick] [--limit]

prints Markdown tables. MIRROR is a folder of HEPData resources filed by DOI, SCRATCH one to unpack
them to. pyhf runs at its defaults (SLSQP); what would take it hours is its time for the points that
it was given, times their number: two of each likelihood, a third and two thirds through the list of
names. --quick gives it one of each; --limit adds its upper limit, which takes it seven minutes.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import growth
import histfit
import numpy as np
import pyhf
from published import Likelihood, likelihoods, unpacked
from pyhf.infer.intervals.upper_limits import upper_limit as pyhf_upper_limit
from recontour import patches

REPEATS = 9
Row = tuple[str, float, float | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mirror", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--limit", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    every = {item.name: item for item in likelihoods(unpacked(options.mirror, options.scratch))}
    points = {name: list(item.patches) for name, item in every.items()}
    given = {
        name: [names[len(names) // 3], names[2 * len(names) // 3]][: 1 if options.quick else 2]
        for name, names in points.items()
    }
    print(compared(every, given, limit=options.limit))
    for title, size, table in (
        ("Parameters (20 bins, 3 samples)", "parameters", growth.over_parameters()),
        ("Bins (50 parameters, 3 samples)", "bins", growth.over_bins()),
    ):
        print(
            f"\n{title}: time grows as the power {growth.exponent(table):.1f} of the last three.\n"
        )
        print(f"| {size} | hypothesis test [ms] |\n| --- | --- |")
        for number, seconds in table.items():
            print(f"| {number} | {1e3 * seconds:.3g} |")


def compared(every: dict[str, Likelihood], points: dict[str, list[str]], *, limit: bool) -> str:
    """The table of both engines' times."""
    ours, theirs, compiled, built = ({} for _ in range(4))
    whole, theirs_whole = {}, {}
    for name, chosen in points.items():
        likelihood = every[name]
        background = histfit.Background(likelihood.background)
        for point in chosen:
            operations = likelihood.patches[point]
            model = background.model(patches.apply(likelihood.background, operations, point))
            key = (name, point)
            ours[key] = cpu(lambda model=model: histfit.hypotest(model), REPEATS)
            whole[key] = cpu(lambda a=(background, likelihood, point): answer(*a), REPEATS)
            pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())
            workspace = pyhf.Workspace(likelihood.workspace(point))
            other = workspace.model()
            built[key] = cpu(
                lambda a=(likelihood, point): pyhf.Workspace(a[0].workspace(a[1])).model()
            )
            theirs[key] = cpu(lambda a=(workspace, other): pyhf_hypotest(*a))
            theirs_whole[key] = built[key] + theirs[key]
            pyhf.set_backend("jax", pyhf.optimize.scipy_optimizer(), precision="64b")
            other = workspace.model()
            pyhf_hypotest(workspace, other)
            compiled[key] = cpu(lambda a=(workspace, other): pyhf_hypotest(*a))

    def mean(times: dict[tuple[str, str], float], name: str) -> float:
        return statistics.mean(times[key] for key in times if key[0].startswith(name))

    rows: list[Row] = []
    for name in ("1Lbb", "sbottom"):
        rows += [
            (f"hypotest, observed and expected, {name}", mean(ours, name), mean(theirs, name)),
            (f"… against jax, compiled, {name}", mean(ours, name), mean(compiled, name)),
            (f"a new point, patch to CLs, {name}", mean(whole, name), mean(theirs_whole, name)),
        ]
    for name in ("1Lbb", "sbottom"):
        chosen = [item for key, item in every.items() if key.startswith(name)]
        count = sum(len(item.patches) for item in chosen)
        seconds = sum(cpu(lambda item=item: answer_all(item)) for item in chosen)
        rows.append((f"all {count} points, {name}", seconds, count * mean(theirs_whole, name)))
    rows.append(limits(every["1Lbb"], points["1Lbb"][0], limit))
    text = ["| work | histfit | pyhf | ratio |", "| --- | --- | --- | --- |"]
    for work, seconds, other_seconds in rows:
        against = " | " if other_seconds is None else f"{shown(other_seconds)} | "
        against += "" if other_seconds is None else f"{other_seconds / seconds:.0f}"
        text.append(f"| {work} | {shown(seconds)} | {against} |")
    return "\n".join(text)


def limits(likelihood: Likelihood, point: str, against_pyhf: bool) -> Row:
    """Observed and five expected upper limits of one point."""
    spec = likelihood.workspace(point)
    model = histfit.compile_model(spec)
    seconds, theirs = cpu(lambda: histfit.upper_limit(model), REPEATS), None
    if against_pyhf:
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())
        workspace = pyhf.Workspace(spec)
        other = workspace.model()
        theirs = cpu(lambda: pyhf_upper_limit(workspace.data(other), other))
    return "upper limit, observed and 5 expected, 1Lbb", seconds, theirs


def answer(background: histfit.Background, likelihood: Likelihood, point: str) -> float:
    """CLs of one point, from its parsed patch."""
    spec = patches.apply(likelihood.background, likelihood.patches[point], point)
    return histfit.hypotest(background.model(spec)).CLs_obs


def answer_all(likelihood: Likelihood) -> list[float]:
    """CLs of all points, from parsed files."""
    background = histfit.Background(likelihood.background)
    return [answer(background, likelihood, point) for point in likelihood.patches]


def pyhf_hypotest(workspace: pyhf.Workspace, model: pyhf.Model) -> Any:
    return pyhf.infer.hypotest(1.0, workspace.data(model), model, return_expected_set=True)


def cpu(work: Callable[[], object], repeats: int = 1) -> float:
    """Median CPU time of `work` in seconds."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return float(np.median(times))


def shown(seconds: float) -> str:
    if seconds < 1.0:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 600.0 else f"{seconds / 60.0:.3g} min"


if __name__ == "__main__":
    main()
