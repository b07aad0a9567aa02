"""Compare histfit with pyhf's converged answers (see `oracle`), point by point.

    python tests/benchmarks/accuracy.py MIRROR SCRATCH ORACLE TABLE

writes TABLE, one line a point, from the JSON lines ORACLE, and prints a summary. Every fit is
judged by pyhf's own likelihood: 2NLL of our parameters less that of pyhf's, to the same data.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import histfit
import numpy as np
import pyhf
from published import Likelihood, likelihoods, unpacked
from recontour import patches

FITS = ("background", "conditional", "free", "asimov")
COLUMNS = ("point", "CLs_obs", "d_CLs_obs", "d_CLs_exp", *(f"d_2NLL_{fit}" for fit in FITS), "note")

SAME_CLS = 1e-6
"""What CLs may differ by where neither engine found a better minimum than the other."""

SAME_2NLL = 1e-7
"""What 2NLL of one and the same minimum may differ by."""

ANOTHER_MINIMUM = 0.3
"""Parameters differ by more of their prior's σ between two minima, and by less where one engine
only stopped early."""

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mirror", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("oracle", type=Path)
    parser.add_argument("table", type=Path)
    options = parser.parse_args()
    pyhf.set_backend("numpy")
    lines = [json.loads(line) for line in options.oracle.read_text().splitlines()]
    answers = {line["point"]: line for line in lines}
    rows = [
        row
        for likelihood in likelihoods(unpacked(options.mirror, options.scratch))
        for row in compare_all(likelihood, answers)
    ]
    with options.table.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows({key: shown(value) for key, value in row.items()} for row in rows)
    print(summary(rows))


def shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def compare_all(likelihood: Likelihood, answers: dict[str, Row]) -> Iterator[Row]:
    """The rows of all points of a likelihood that pyhf has an answer to."""
    background = histfit.Background(likelihood.background)
    for point, operations in likelihood.patches.items():
        answer = answers.get(f"{likelihood.name}/{point}")
        if answer is None:
            continue
        spec = patches.apply(likelihood.background, operations, point)
        ours = histfit.hypotest(background.model(spec))
        yield compare(ours, likelihood.workspace(point), answer)


def compare(ours: histfit.HypoTest, workspace: dict[str, Any], answer: Row) -> Row:
    """One row: differences are ours less pyhf's."""
    row: Row = {"point": answer["point"], "CLs_obs": ours.CLs_obs}
    if "error" in answer:
        return row | {"note": f"pyhf: {answer['error']}"}
    other = pyhf.Workspace(workspace, validate=False)
    model = other.model(validate=False)
    row["d_CLs_obs"] = ours.CLs_obs - answer["CLs_obs"]
    row["d_CLs_exp"] = max(np.subtract(ours.CLs_exp, answer["CLs_exp"]), key=abs)
    notes = []
    for name in FITS:
        theirs = np.array(answer["fits"][name]["parameters"])
        mine = in_order(ours.fits[name], model.config.par_names)
        data = other.data(model)
        if name == "asimov":
            data = model.expected_data(np.array(answer["fits"]["background"]["parameters"]))
        excess = twice_nll(mine, data, model) - twice_nll(theirs, data, model)
        row[f"d_2NLL_{name}"] = excess
        if abs(excess) > SAME_2NLL:
            apart = np.abs(mine - theirs)[np.isin(model.config.par_names, alphas(model))].max()
            who = "pyhf" if excess < 0.0 else "histfit"
            how = "in another minimum" if apart > ANOTHER_MINIMUM else "not converged"
            notes.append(f"{name}: {who} {how}")
    if not notes and not agrees(row):
        notes.append(f"free fit to Asimov data: pyhf not converged, q_A is {ours.q_asimov:.1g}")
    return row | {"note": "; ".join(notes)}


def in_order(fit: histfit.Fit, names: Sequence[str]) -> np.ndarray:
    """The fit's parameters in the order of `names`."""
    values = dict(zip(fit.labels, fit.values.tolist(), strict=True))
    return np.array([values[name] for name in names])


def alphas(model: pyhf.Model) -> list[str]:
    """Names of the parameters with a constraint of width 1 around 0."""
    return [
        name
        for name in model.config.par_order
        if model.config.param_set(name).constrained
        and model.config.param_set(name).suggested_init == [0.0]
    ]


def twice_nll(parameters: np.ndarray, data: Any, model: pyhf.Model) -> float:
    return float(pyhf.infer.mle.twice_nll(parameters, data, model)[0])


def agrees(row: Row) -> bool:
    """Whether both engines give the same CLs, observed and expected."""
    return abs(row["d_CLs_obs"]) <= SAME_CLS and abs(row["d_CLs_exp"]) <= SAME_CLS


def ours_is_worse(row: Row) -> bool:
    return any(row[f"d_2NLL_{fit}"] > SAME_2NLL for fit in FITS)


def summary(rows: list[Row]) -> str:
    """Counts by likelihood, and the points that differ, as Markdown."""
    text = [
        "| likelihood | points | CLs equal to 1e-6 | largest difference of these "
        "| pyhf has a higher 2NLL | histfit has a higher 2NLL | pyhf gives no answer |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["point"].split("/")[0], []).append(row)
    for name, group in groups.items():
        answered = [row for row in group if "d_CLs_obs" in row]
        same = [row for row in answered if agrees(row)]
        most = max(max(abs(row["d_CLs_obs"]), abs(row["d_CLs_exp"])) for row in same)
        higher = sum(any(row[f"d_2NLL_{fit}"] < -SAME_2NLL for fit in FITS) for row in answered)
        worse = sum(map(ours_is_worse, answered))
        text.append(
            f"| {name} | {len(group)} | {len(same)} | {most:.1g} | {higher} | {worse} "
            f"| {len(group) - len(answered)} |"
        )
    text += [
        "",
        "| point | CLs of pyhf | CLs here | band differs by | cause | 2NLL here less pyhf's |",
    ]
    text += ["| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        if "d_CLs_obs" in row and (not agrees(row) or ours_is_worse(row)):
            theirs = row["CLs_obs"] - row["d_CLs_obs"]
            most = max((row[f"d_2NLL_{fit}"] for fit in FITS), key=abs)
            text.append(
                f"| {row['point']} | {theirs:.7g} | {row['CLs_obs']:.7g} | {row['d_CLs_exp']:.2g} "
                f"| {row['note']} | {most:.2g} |"
            )
    notes = Counter(note for row in rows for note in row["note"].split("; ") if note)
    return "\n".join([*text, "", *(f"{count} × {note}" for note, count in notes.most_common())])


if __name__ == "__main__":
    main()
