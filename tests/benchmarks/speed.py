"""CPU time of histfit and of pyhf side by side, on published likelihoods, with one thread.

    python tests/benchmarks/speed.py MIRROR SCRATCH [--quick] [--limit]

prints Markdown tables. MIRROR is a folder of HEPData resources filed by DOI, SCRATCH one to unpack
them to. pyhf runs at its defaults (SLSQP), on five points of 1Lbb and eleven of each region of
sbottom, spread evenly over the list of names. What would take it hours is its mean time for these
points, times the number of all. --quick gives it the middle one only; --limit adds its upper limit,
which takes it seven minutes. As a machine's speed changes from minute to minute, histfit is timed
before and after pyhf, and the mean of both counts.
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
POINTS = {"1Lbb": 5, "sbottomA": 11, "sbottomB": 11, "sbottomC": 11}
"""How many points of each likelihood pyhf tests."""

LIMIT = "C1N2_Wh_hbb_900_250"
"""The point of 1Lbb that upper limits are found for; pyhf fails where one is beyond 5, the bound of
the signal strength."""

Times = dict[tuple[str, str], float]
"""Seconds by likelihood and point."""

Row = tuple[str, float, float | None, float | None]
"""What is done, seconds of histfit and of pyhf, and the median of the points' ratios."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mirror", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--limit", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    every = {item.name: item for item in likelihoods(unpacked(options.mirror, options.scratch))}
    points = {
        name: evenly(list(item.patches), 1 if options.quick else POINTS[name])
        for name, item in every.items()
    }
    print(compared(every, points, limit=options.limit))
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


def evenly(names: list[str], number: int) -> list[str]:
    """So many of the `names`, evenly, with as much before the first as after the last."""
    return [names[(2 * i + 1) * len(names) // (2 * number)] for i in range(number)]


def compared(every: dict[str, Likelihood], points: dict[str, list[str]], *, limit: bool) -> str:
    """The table of both engines' times."""
    ours: Times = {}
    theirs: Times = {}
    compiled: Times = {}
    whole: Times = {}
    theirs_whole: Times = {}
    scans = [scanned(every)]
    for name, chosen in points.items():
        likelihood = every[name]
        background = histfit.Background(likelihood.background)
        for point in chosen:
            operations = likelihood.patches[point]
            model = background.model(patches.apply(likelihood.background, operations, point))
            key = (name, point)
            around = [answered(model, background, likelihood, point)]
            pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())
            workspace = pyhf.Workspace(likelihood.workspace(point))
            other = workspace.model()
            building = cpu(
                lambda a=(likelihood, point): pyhf.Workspace(a[0].workspace(a[1])).model()
            )
            theirs[key] = cpu(lambda a=(workspace, other): pyhf_hypotest(*a))
            theirs_whole[key] = building + theirs[key]
            pyhf.set_backend("jax", pyhf.optimize.scipy_optimizer(), precision="64b")
            other = workspace.model()
            pyhf_hypotest(workspace, other)
            compiled[key] = cpu(lambda a=(workspace, other): pyhf_hypotest(*a))
            around.append(answered(model, background, likelihood, point))
            ours[key], whole[key] = np.mean(around, axis=0).tolist()
    scans.append(scanned(every))

    rows: list[Row] = []
    for name in ("1Lbb", "sbottom"):
        rows += [
            row(f"hypotest, observed and expected, {name}", name, ours, theirs),
            row(f"… against jax, compiled, {name}", name, ours, compiled),
            row(f"a new point, patch to CLs, {name}", name, whole, theirs_whole),
        ]
    spread = []
    for name in ("1Lbb", "sbottom"):
        found = [scan[key] for scan in scans for key in every if key.startswith(name)]
        times = np.concatenate([times for times, _ in found]).reshape(len(scans), -1).mean(axis=0)
        seconds = sum(seconds for _, seconds in found) / len(scans)
        per_point = statistics.mean(t for key, t in theirs_whole.items() if key[0].startswith(name))
        rows.append((f"all {len(times)} points, {name}", seconds, len(times) * per_point, None))
        percentiles = " | ".join(shown(float(np.percentile(times, p))) for p in (50, 90, 100))
        spread.append(f"| {name} | {len(times)} | {shown(float(times.mean()))} | {percentiles} |")
    rows.append(limits(every["1Lbb"], limit))
    text = ["| work | histfit | pyhf | ratio | median ratio |", "| --- | --- | --- | --- | --- |"]
    for work, seconds, other_seconds, median in rows:
        against = "" if other_seconds is None else shown(other_seconds)
        ratio = "" if other_seconds is None else f"{other_seconds / seconds:.0f}"
        middle = "" if median is None else f"{median:.0f}"
        text.append(f"| {work} | {shown(seconds)} | {against} | {ratio} | {middle} |")
    text += ["", "| hypotest | points | mean | median | 90 % | longest |"]
    return "\n".join([*text, "| --- | --- | --- | --- | --- | --- |", *spread])


def row(work: str, name: str, ours: Times, theirs: Times) -> Row:
    """Mean times, and the median ratio, of all points of likelihoods whose name starts so."""
    keys = [key for key in ours if key[0].startswith(name)]
    means = (statistics.mean(times[key] for key in keys) for times in (ours, theirs))
    return work, *means, statistics.median(theirs[key] / ours[key] for key in keys)


def limits(likelihood: Likelihood, against_pyhf: bool) -> Row:
    """Observed and five expected upper limits of one point."""
    spec = likelihood.workspace(LIMIT)
    model = histfit.compile_model(spec)
    seconds, theirs = cpu(lambda: histfit.upper_limit(model), REPEATS), None
    if against_pyhf:
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())
        workspace = pyhf.Workspace(spec)
        other = workspace.model()
        theirs = cpu(lambda: pyhf_upper_limit(workspace.data(other), other))
    return f"upper limit, observed and 5 expected, 1Lbb {LIMIT}", seconds, theirs, None


def answered(
    model: histfit.Model, background: histfit.Background, likelihood: Likelihood, point: str
) -> tuple[float, float]:
    """Median CPU seconds of one point's hypothesis test, and of all from its parsed patch on."""
    return (
        cpu(lambda: histfit.hypotest(model), REPEATS),
        cpu(lambda: answer(background, likelihood, point), REPEATS),
    )


def answer(background: histfit.Background, likelihood: Likelihood, point: str) -> float:
    """CLs of one point, from its parsed patch."""
    spec = patches.apply(likelihood.background, likelihood.patches[point], point)
    return histfit.hypotest(background.model(spec)).CLs_obs


def scanned(every: dict[str, Likelihood]) -> dict[str, tuple[np.ndarray, float]]:
    """What `answer_all` takes for every likelihood."""
    return {name: answer_all(likelihood) for name, likelihood in every.items()}


def answer_all(likelihood: Likelihood) -> tuple[np.ndarray, float]:
    """CPU seconds of the hypothesis test of every point, and of all the work from parsed files."""
    started, times = time.process_time(), []
    background = histfit.Background(likelihood.background)
    for point, operations in likelihood.patches.items():
        model = background.model(patches.apply(likelihood.background, operations, point))
        times.append(cpu(lambda model=model: histfit.hypotest(model)))
    return np.array(times), time.process_time() - started


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
