"""Makes everything of the demo search: `PYTHONPATH=workflow python -m demo.generate` (15 minutes).

Writes the archive and the "published" tables under mirror/, in HEPData's forms, and the table of
points under config/. The tables come from pyhf, so that they are independent of what the workflow
computes: the contours are found by root finding on the smooth signal model itself, not by
interpolation between the published mass points. Two runs write the same archive, byte for byte
(given one zlib), and the same tables within the precision of pyhf's minimizer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import jsonpatch
import numpy as np
import pyhf
from demo import search
from recontour.files import tar_gz
from scipy.optimize import brentq
from scipy.stats import norm

HERE = Path(__file__).resolve().parent
DOI = "10.5072/recontour.demo.v1"  # 10.5072 is DataCite's prefix for tests; it resolves nowhere
MIRROR = HERE / "mirror" / DOI
POINTS = HERE.parents[1] / "config" / "points" / "demo.csv"

CLS_COLUMNS = ["CLs_obs", "CLs_exp_m2", "CLs_exp_m1", "CLs_exp_0", "CLs_exp_p1", "CLs_exp_p2"]
OBSERVED, EXPECTED = CLS_COLUMNS.index("CLs_obs"), CLS_COLUMNS.index("CLs_exp_0")

CENTRE = 300.0  # GeV; m1, at m2 = 0, of a point deep inside both contours
REACH = 300.0  # GeV; no contour lies further than this from the centre
RAYS = 31  # one every 6 degrees


def archive() -> bytes:
    """The likelihood archive (tar.gz)."""
    members = {
        "README.md": (HERE / "archive_README.md").read_text(encoding="utf-8"),
        "BkgOnly.json": json.dumps(search.background(), indent=1) + "\n",
        "patchset.json": json.dumps(search.patchset(), indent=1) + "\n",
    }
    return tar_gz({name: text.encode("utf-8") for name, text in members.items()})


def points_table() -> str:
    rows = [f"{search.patch_name(m1, m2)},{m1},{m2}" for m1, m2 in search.points()]
    return "\n".join(["name,m1,m2", *rows]) + "\n"


@cache
def cls(m1: float, m2: float) -> tuple[float, ...]:
    """CLs (q̃μ, μ=1, asymptotic) in the order of CLS_COLUMNS, from pyhf run to convergence."""
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-13))
    patched = jsonpatch.apply_patch(search.background(), search.signal_patch(m1, m2))
    workspace = pyhf.Workspace(patched)
    model = workspace.model()
    observed, expected = pyhf.infer.hypotest(
        1.0, workspace.data(model), model, test_stat="qtilde", return_expected_set=True
    )
    return float(observed), *(float(value) for value in expected)


def contour(which: int) -> list[tuple[float, float]]:
    """Masses (GeV) where CLs is 0.05: one root a ray from the centre, over the half plane m2 ≥ 0.

    The roots are those of z = Φ⁻¹(1 − CLs) − 1.645, nearly linear along a ray.
    """
    line = []
    for angle in np.linspace(0.0, math.pi, RAYS):
        along, up = math.cos(angle), max(math.sin(angle), 0.0)
        reach = REACH
        if up > along:  # the ray meets the kinematic boundary, where there is no signal left
            to_boundary = (CENTRE - search.KINEMATIC_GAP) / (up - along)
            reach = min(reach, to_boundary - 1.0)

        def excess(distance: float, along: float = along, up: float = up) -> float:
            value = cls(CENTRE + distance * along, distance * up)[which]
            return float(norm.isf(value) - norm.isf(0.05))

        root = brentq(excess, 0.0, reach, xtol=0.02)
        line.append((CENTRE + root * along, root * up))
    return line


def hepdata_csv(
    number: int, name: str, text: str, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> str:
    """A table as HEPData serves it in its CSV format."""
    header = {
        "table_doi": f"{DOI}/t{number}",
        "name": name,
        "description": f"{search.LABEL}. {text}",
        "data_file": f"t{number}.yaml",
        "keyword observables": "CLS",
    }
    lines = [f"#: {key}: {value}" for key, value in header.items()]
    lines += [",".join(columns), *(",".join(row) for row in rows)]
    return "\n".join(lines) + "\n\n"


def contour_table(number: int, name: str, which: int) -> str:
    text = "95% CL exclusion contour in an invented mass plane; roots of CLs = 0.05 found with pyhf"
    rows = [(f"{m1:.2f}", f"{m2:.2f}") for m1, m2 in contour(which)]
    return hepdata_csv(number, name, text, ["M1 [GEV]", "M2 [GEV]"], rows)


def reference_table(number: int, points: Iterable[tuple[int, int]]) -> str:
    text = "CLs of every mass point (q̃μ, μ=1, asymptotic), observed and expected −2…+2σ, from pyhf"
    rows = [(str(m1), str(m2), *(f"{v:.9g}" for v in cls(m1, m2))) for m1, m2 in points]
    columns = ["M1 [GEV]", "M2 [GEV]", *CLS_COLUMNS]
    return hepdata_csv(number, "Reference CLs", text, columns, rows)


def main() -> None:
    MIRROR.mkdir(parents=True, exist_ok=True)
    (MIRROR / "r1.tar.gz").write_bytes(archive())
    POINTS.write_text(points_table(), encoding="utf-8")
    tables = {
        "t3.csv": reference_table(3, search.points()),
        "t1.csv": contour_table(1, "Observed limit", OBSERVED),
        "t2.csv": contour_table(2, "Expected limit", EXPECTED),
    }
    for file, text in tables.items():
        (MIRROR / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
