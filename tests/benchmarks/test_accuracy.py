"""CLs of published points: pyhf's, run to convergence, or those of a lower minimum."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import accuracy
import histfit
import oracle
import pyhf
import pytest
from published import Likelihood, likelihoods, unpacked

pytestmark = pytest.mark.long

SAMPLE = {
    "1Lbb": ["C1N2_Wh_hbb_900_250", "C1N2_Wh_hbb_350_0", "C1N2_Wh_hbb_165_35"],
    "sbottomA": ["sbottom_1300_205_60", "sbottom_500_131_1", "sbottom_500_400_60"],
    "sbottomB": ["sbottom_1500_1495_60", "sbottom_1600_1595_60"],
    "sbottomC": ["sbottom_900_650_60"],
}
"""Excluded and not, and of each kind that differs: another minimum, no signal, CLs near 1."""


@pytest.fixture(scope="module")
def published(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Likelihood]:
    folder = unpacked(mirror, tmp_path_factory.mktemp("published"))
    return {likelihood.name: likelihood for likelihood in likelihoods(folder)}


@pytest.fixture
def converged() -> Iterator[None]:
    oracle.use_jax()
    yield
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())


@pytest.mark.parametrize(("name", "point"), [(n, p) for n in SAMPLE for p in SAMPLE[n]])
def test_cls_are_equal_or_no_fit_has_a_higher_nll(
    published: dict[str, Likelihood], converged: None, name: str, point: str
) -> None:
    likelihood = published[name]
    answer = oracle.oracle(likelihood, point)
    pyhf.set_backend("numpy")
    workspace = likelihood.workspace(point)
    ours = histfit.hypotest(histfit.Background(likelihood.background).model(workspace))
    row = accuracy.compare(ours, workspace, answer)
    if "error" in answer:
        assert (point, answer["error"]) == ("sbottom_1500_1495_60", "InvalidModel")
        assert ours.CLs_obs == 1.0
        return
    assert accuracy.agrees(row) or not accuracy.ours_is_worse(row), row
