"""Signals from tables of yields: the patches that they make, and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import histfit
import pyhf
import pytest
from recontour import patches, yields
from recontour.errors import UserError
from recontour.structure import check_workspace
from small_search import background, patch

HEADER = "point,m1,m2,channel,bin,yield,statistical,systematic\n"
GOOD = (
    "a,200,0,SR,0,30,2,0.1\na,200,0,SR,1,20,1.5,0.2\nb,300,50,SR,0,5,0.5,0\nb,300,50,SR,1,4,0.4,0\n"
)


def table(tmp_path: Path, rows: str = GOOD, header: str = HEADER) -> yields.Yields:
    path = tmp_path / "yields.csv"
    path.write_text(header + rows, encoding="utf-8")
    return yields.read(path)


def two_channels() -> dict[str, Any]:
    """The small search with a control region, and a luminosity in its signal region."""
    spec = background()
    spec["channels"].append(
        {"name": "CR", "samples": [{"name": "background", "data": [100.0], "modifiers": []}]}
    )
    spec["observations"].append({"name": "CR", "data": [101.0]})
    lumi = {"name": "lumi", "type": "lumi", "data": None}
    spec["channels"][0]["samples"][0]["modifiers"].append(lumi)
    spec["measurements"][0]["config"]["parameters"] = [
        {
            "name": "lumi",
            "auxdata": [1.0],
            "sigmas": [0.017],
            "inits": [1.0],
            "bounds": [[0.9, 1.1]],
        }
    ]
    return spec


def test_points_and_labels_are_read_from_the_table(tmp_path: Path) -> None:
    found = table(tmp_path)
    assert found.labels == ("m1", "m2")
    assert [(p.name, p.values) for p in found.points] == [("a", (200, 0)), ("b", (300, 50))]


def test_a_patch_adds_the_signal_to_the_channels_with_rows_alone(tmp_path: Path) -> None:
    spec = two_channels()
    before = copy.deepcopy(spec)
    made = yields.patches(table(tmp_path), spec)
    workspace = patches.apply(spec, made["a"], "a")
    check_workspace(workspace, "a")
    region, control = workspace["channels"]
    assert control == spec["channels"][1]
    signal = region["samples"][-1]
    assert (signal["name"], signal["data"]) == ("a", [30.0, 20.0])
    assert {(m["name"], m["type"]) for m in signal["modifiers"]} == {
        ("mu_SIG", "normfactor"),
        ("lumi", "lumi"),
        ("staterror_SR", "staterror"),
        ("signal_systematic", "histosys"),
    }
    assert spec == before


def test_without_luminosity_or_uncertainties_there_is_only_the_normfactor(tmp_path: Path) -> None:
    found = table(tmp_path, "a,200,SR,0,30\na,200,SR,1,20\n", "point,m1,channel,bin,yield\n")
    (operation,) = yields.patches(found, background())["a"]
    assert [m["type"] for m in operation["value"]["modifiers"]] == ["normfactor"]


def test_a_table_with_other_separators_is_refused_with_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='found the first line "point;m1;channel;bin;yield"; exp'):
        table(tmp_path, "a;200;SR;0;1,5\n", "point;m1;channel;bin;yield\n")


def test_the_bins_may_come_in_any_order(tmp_path: Path) -> None:
    found = table(tmp_path, "a,200,0,SR,1,20,,\na,200,0,SR,0,30,,\n")
    (operation,) = yields.patches(found, background())["a"]
    assert operation["value"]["data"] == [30.0, 20.0]


def test_a_table_of_the_published_yields_gives_the_published_cls(tmp_path: Path) -> None:
    (published,) = patch(300, 50)["patch"]
    rows = "".join(
        f"x,300,50,SR,{i},{value!r},,\n" for i, value in enumerate(published["value"]["data"])
    )
    made = yields.patches(table(tmp_path, rows), background())["x"]
    ours = histfit.hypotest(patches.apply(background(), made, "x"))
    theirs = histfit.hypotest(patches.apply(background(), [published], "p"))
    assert ours.CLs_obs == theirs.CLs_obs
    assert ours.CLs_exp == theirs.CLs_exp


def test_pyhf_makes_the_same_of_the_workspace(tmp_path: Path) -> None:
    """CLs of pyhf with all four kinds of modifiers, to what its minimizer leaves."""
    spec = two_channels()
    workspace = patches.apply(spec, yields.patches(table(tmp_path), spec)["a"], "a")
    model = pyhf.Workspace(workspace)
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-13))
    settings = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
    pdf = model.model(modifier_settings=settings)
    expected = float(pyhf.infer.hypotest(1.0, model.data(pdf), pdf, test_stat="qtilde"))
    assert histfit.hypotest(workspace).CLs_obs == pytest.approx(expected, abs=1e-6)


def test_a_named_systematic_is_shared_with_the_background(tmp_path: Path) -> None:
    found = table(
        tmp_path,
        "a,200,SR,0,30,0.1\na,200,SR,1,20,-0.2\n",
        "point,m1,channel,bin,yield,systematic_scale\n",
    )
    (operation,) = yields.patches(found, background())["a"]
    scale = operation["value"]["modifiers"][-1]
    assert (scale["name"], scale["type"]) == ("scale", "histosys")
    assert scale["data"]["hi_data"] == pytest.approx([33.0, 16.0])
    assert scale["data"]["lo_data"] == pytest.approx([27.0, 24.0])
    model = histfit.compile_model(patches.apply(background(), [operation], "a"))
    assert sum("scale" in label for label in model.parameters.labels) == 1


def test_a_point_without_events_anywhere_is_a_signal_of_zero(tmp_path: Path) -> None:
    found = table(tmp_path, "a,200,0,SR,0,0,,\na,200,0,SR,1,0,,\n")
    made = yields.patches(found, background())["a"]
    assert histfit.hypotest(patches.apply(background(), made, "a")).CLs_obs == pytest.approx(1.0)


def test_rows_of_other_regions_are_left_to_their_backgrounds(tmp_path: Path) -> None:
    rows = "a,200,A,SR,0,1\na,200,A,SR,1,1\nb,300,B,SR,0,1\nb,300,B,SR,1,1\n"
    found = table(tmp_path, rows, "point,m1,region,channel,bin,yield\n")
    assert list(yields.patches(found, background(), region="A")) == ["a"]
    assert list(yields.patches(found, background(), region="B")) == ["b"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", "holds no yields"),
        ("a,200,0,SR,0,-1,,\n", 'row 2, column yield: found "-1", expected events, a finite'),
        ("a,200,0,SR,0,nan,,\n", 'row 2, column yield: found "nan"'),
        ("a,200,0,SR,0,1e999,,\n", 'row 2, column yield: found "1e999"'),
        ("a,200,0,SR,0,,,\n", 'row 2, column yield: found ""'),
        ("a,200,0,SR,0,1,-2,\n", 'row 2, column statistical: found "-2"'),
        ("a,200,0,SR,0,1,,20\n", "a fraction of the yield, from -1 to 1 (0.1 for 10 %)"),
        ("a,200,0,SR,0.5,1,,\n", "row 2, column bin: found 0.5, expected a whole number"),
        ("a,200,0,SR,one,1,,\n", 'row 2, column bin: found "one"'),
        ("a b,200,0,SR,0,1,,\n", 'row 2, column point: found "a b"'),
        ("a,200,0,SR,0,1\n", "row 2: 6 cells, expected one for each of the columns"),
        (
            "a,200,0,SR,0,1,,\n\na,200,0,SR,0,2,,\n",
            "row 4, column point, channel, bin: point a, channel SR, bin 0 stands in row 2",
        ),
        (
            "a,200,0,SR,0,1,,\na,250,0,SR,1,2,,\n",
            'row 3, column m1: found "250", but point a has "200"',
        ),
        ("a,200,0,SR,0,1,,\nb,200,0,SR,0,2,,\n", "points a and b have the same values"),
    ],
)
def test_a_wrong_row_is_refused_with_row_and_column(
    tmp_path: Path, rows: str, expected: str
) -> None:
    with pytest.raises(UserError) as error:
        table(tmp_path, rows)
    assert expected in str(error.value)
    assert "yields.csv" in str(error.value)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            "a,200,0,SR1,0,1,,\n",
            'row 2, column channel: the background has no channel "SR1"; valid: SR, CR',
        ),
        (
            "a,200,0,SR,0,1,,\n",
            "point a has no row for bin 1 of channel SR; give each of its bins 0, 1",
        ),
        (
            "a,200,0,CR,0,1,,\na,200,0,CR,1,1,,\n",
            "row 3, column bin: found 1, but the bins of channel CR of the background are counted "
            "from 0; valid: 0",
        ),
        ("background,200,0,CR,0,1,,\n", "the background has a sample background in channel CR"),
        ("a,200,0,SR,0,1,2,\na,200,0,SR,1,1,,\n", "row 3, column statistical: found nothing"),
    ],
)
def test_what_does_not_fit_the_background_is_refused_with_what_does(
    tmp_path: Path, rows: str, expected: str
) -> None:
    with pytest.raises(UserError) as error:
        yields.patches(table(tmp_path, rows), two_channels())
    assert expected in str(error.value)


def without_staterror() -> dict[str, Any]:
    spec = background()
    for sample in spec["channels"][0]["samples"]:
        sample["modifiers"] = [m for m in sample["modifiers"] if m["type"] != "staterror"]
    return spec


def test_a_statistical_uncertainty_that_would_be_ignored_is_refused(tmp_path: Path) -> None:
    found = table(tmp_path, "a,200,0,SR,0,30,2,\na,200,0,SR,1,0,1.5,\n")
    expected = r"row 3, column statistical: found 1\.5 with the yield 0, .* leave the cell empty"
    with pytest.raises(UserError, match=expected):
        yields.patches(found, without_staterror())


@pytest.mark.parametrize("cell", ["", "0"])
def test_an_empty_bin_needs_no_statistical_uncertainty(tmp_path: Path, cell: str) -> None:
    found = table(tmp_path, f"a,200,0,SR,0,30,2,\na,200,0,SR,1,0,{cell},\n")
    made = yields.patches(found, without_staterror())["a"]
    (own,) = [m for m in made[0]["value"]["modifiers"] if m["type"] == "staterror"]
    assert own["data"] == [2.0, 0.0]
    result = histfit.hypotest(patches.apply(without_staterror(), made, "a"))
    assert 0.0 < result.CLs_obs < 1.0


def test_beside_a_staterror_of_the_background_an_empty_bin_has_an_uncertainty(
    tmp_path: Path,
) -> None:
    found = table(tmp_path, "a,200,0,SR,0,30,2,\na,200,0,SR,1,0,1.5,\n")
    (operation,) = yields.patches(found, background())["a"]
    assert operation["value"]["modifiers"][-1]["data"] == [2.0, 1.5]


@pytest.mark.parametrize(
    ("parameter", "what"),
    [
        ("lumi", "lumi is a lumi of the background"),
        ("mu_SIG", "mu_SIG is the parameter of interest of the background"),
        ("staterror_SR", "staterror_SR is a staterror of the background"),
        ("mu_B", "mu_B is a normfactor of the background"),
    ],
)
def test_a_systematic_uncertainty_of_another_kind_of_parameter_is_refused(
    tmp_path: Path, parameter: str, what: str
) -> None:
    spec = two_channels()
    factor = {"name": "mu_B", "type": "normfactor", "data": None}
    spec["channels"][1]["samples"][0]["modifiers"].append(factor)
    header = f"point,m1,channel,bin,yield,systematic_{parameter}\n"
    found = table(tmp_path, "a,200,SR,0,30,0.1\na,200,SR,1,20,0.2\n", header)
    with pytest.raises(UserError) as error:
        yields.patches(found, spec)
    assert f"yields.csv, column systematic_{parameter}: {what}; expected" in str(error.value)
    assert "rename the column" in str(error.value)


@pytest.mark.parametrize("columns", ["systematic_", "systematic,systematic_signal_systematic"])
def test_each_systematic_uncertainty_has_a_parameter_of_its_own(
    tmp_path: Path, columns: str
) -> None:
    with pytest.raises(UserError, match=r"column systematic_.*: expected systematic_<parameter>"):
        table(tmp_path, "", f"point,m1,channel,bin,yield,{columns}\n")


@pytest.mark.parametrize(
    "header",
    ["name,m1,channel,bin,yield\n", "point,channel,bin,yield\n", "point,m 1,channel,bin,yield\n"],
)
def test_wrong_columns_are_refused_with_the_ones_that_are_expected(
    tmp_path: Path, header: str
) -> None:
    with pytest.raises(
        UserError, match="expected point, channel, bin, yield, a column a parameter"
    ):
        table(tmp_path, "", header)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("systematics", "systematic"),
        ("Systematic", "systematic"),
        ("syst", "systematic"),
        ("sys_JES", "systematic"),
        ("sytematic_JES", "systematic"),
        ("stat", "statistical"),
        ("stat_unc", "statistical"),
        ("statistcal", "statistical"),
        ("relative_uncertainty", "statistical or systematic"),
        ("error", "statistical or systematic"),
        ("regions", "region"),
    ],
)
def test_a_mistyped_column_is_no_parameter_of_the_points(
    tmp_path: Path, name: str, meant: str
) -> None:
    with pytest.raises(UserError) as error:
        table(tmp_path, "a,200,SR,0,30,0.1\n", f"point,m1,channel,bin,yield,{name}\n")
    assert f"yields.csv, column {name}: unknown" in str(error.value)
    assert f"did you mean {meant}? Valid are point, channel, bin, yield, " in str(error.value)
    assert "if it is a parameter of the points, rename it" in str(error.value)


@pytest.mark.parametrize("name", ["m_bino", "stop", "m_stau", "mu", "tau", "sin2beta", "binding"])
def test_a_parameter_of_the_points_may_have_any_other_name(tmp_path: Path, name: str) -> None:
    header = f"point,{name},channel,bin,yield\n"
    assert table(tmp_path, "a,200,SR,0,30\n", header).labels == (name,)
