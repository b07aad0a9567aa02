"""A signal must scale with the parameter of interest of the measurement that is used."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import histfit
import pytest
from recontour import library, likelihood, patches
from recontour.errors import UserError
from recontour.files import write_json
from recontour.measurements import check_signal
from small_search import background, patch, patchset

MISSPELT = "mu_Sig"


def misspelt() -> dict[str, Any]:
    spec = background()
    spec["measurements"][0]["config"]["poi"] = MISSPELT
    return spec


def test_events_that_do_not_scale_with_the_poi_are_refused_by_name() -> None:
    spec = misspelt()
    workspace = patches.apply(spec, patch(200, 0)["patch"], "s")
    expected = (
        r"^patch s: adds sample signal_200_0 to channel SR, but the parameter of interest of "
        r'measurement NormalMeasurement, "mu_Sig", scales no sample; expected among the '
        r"normfactors of the signal: mu_SIG; name one of them in the measurement, or it in the "
        r"patch$"
    )
    with pytest.raises(UserError, match=expected):
        check_signal(workspace, spec, "", "s")


@pytest.mark.parametrize("operations", [[], "no events"])
def test_a_patch_that_adds_no_events_is_no_signal(operations: Any) -> None:
    spec = misspelt()
    if operations:
        operations = copy.deepcopy(patch(200, 0)["patch"])
        operations[0]["value"]["data"] = [0.0, 0.0]
    workspace = patches.apply(spec, operations, "s")
    check_signal(workspace, spec, "", "s")
    with pytest.warns(UserWarning, match="there is no signal to test, and CLs is 1"):
        assert histfit.hypotest(workspace).CLs_obs == 1.0


def test_in_a_notebook_such_points_fail_with_the_reason(tmp_path: Path) -> None:
    content = patchset()
    content["metadata"]["digests"]["sha256"] = likelihood.digest(misspelt())
    write_json(tmp_path / "BkgOnly.json", misspelt())
    write_json(tmp_path / "patchset.json", content)
    opened = library.open(tmp_path / "BkgOnly.json", tmp_path / "patchset.json")
    with pytest.raises(UserError, match="scales no sample"):
        _ = opened[200, 0].model
    rows = opened.scan().rows
    assert {row["status"] for row in rows} == {"failed"}
    assert all('"mu_Sig", scales no sample' in row["reason"] for row in rows)
