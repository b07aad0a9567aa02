"""Tables of theory cross-sections: what they cover, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from recontour import cross_sections
from recontour.errors import UserError
from recontour.likelihood import Point

LABELS = ("m1", "m2")


def table(tmp_path: Path, text: str) -> cross_sections.CrossSections:
    path = tmp_path / "theory.csv"
    path.write_text(text, encoding="utf-8")
    return cross_sections.read(path, LABELS)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(UserError) as error:
        table(tmp_path, text)
    return str(error.value)


def test_femtobarns_become_picobarns(tmp_path: Path) -> None:
    theory = table(tmp_path, "m1,cross_section_fb,relative_uncertainty\n200,1807.4,0.056\n")
    value, uncertainty = theory.at(Point("p", (200, 0)), LABELS)
    assert value == pytest.approx(1.8074, rel=1e-15)
    assert uncertainty == 0.056


def test_between_two_masses_cross_section_and_uncertainty_follow_power_laws(tmp_path: Path) -> None:
    theory = table(tmp_path, "m1,cross_section_pb,relative_uncertainty\n100,8,0.01\n144,2,0.04\n")
    assert theory.at(Point("p", (120, 0)), LABELS) == pytest.approx((4.0, 0.02), rel=1e-14)


def test_between_masses_that_are_far_apart_nothing_is_interpolated(tmp_path: Path) -> None:
    theory = table(tmp_path, "m1,cross_section_fb\n100,9\n150,5\n1000,0.001\n")
    assert theory.at(Point("p", (120, 0)), LABELS).value < 0.009
    assert theory.at(Point("p", (1000, 0)), LABELS).value == pytest.approx(1e-6)
    expected = r"theory\.csv: column m1: 500 of point p lies between 150 and 1000, .* factor 1\.5"
    with pytest.raises(UserError, match=expected):
        theory.at(Point("p", (500, 0)), LABELS)


def test_a_wino_cross_section_between_the_masses_of_its_table_is_the_one_that_atlas_used(
    tmp_path: Path,
) -> None:
    """At 165 GeV, from the tables' 150 and 175 GeV (LHC SUSY cross-section working group); ATLAS'
    value is its published yields over luminosity, acceptance and efficiency: 3661.1 fb."""
    theory = table(tmp_path, "m1,cross_section_fb\n150,5180.88\n175,2953.27\n")
    found = theory.at(Point("p", (165, 35)), LABELS)
    assert found.value == pytest.approx(3.6611, rel=5e-4)
    assert found.uncertainty is None


def test_the_columns_may_be_several_labels_in_any_order(tmp_path: Path) -> None:
    theory = table(tmp_path, "cross_section_pb,m2,m1\n1,0,200\n2,50,200\n")
    assert theory.at(Point("p", (200, 50)), LABELS).value == 2.0


@pytest.mark.parametrize("mass", [99, 401])
def test_a_mass_beyond_the_table_is_refused_with_what_it_covers(tmp_path: Path, mass: int) -> None:
    theory = table(tmp_path, "m1,cross_section_pb\n100,8\n400,0.5\n")
    with pytest.raises(UserError) as error:
        theory.at(Point("C1N2", (mass, 0)), LABELS)
    assert f"column m1: no row covers m1 = {mass} of point C1N2" in str(error.value)
    assert "reaches from 100 to 400" in str(error.value)


def test_with_several_labels_nothing_is_interpolated(tmp_path: Path) -> None:
    theory = table(tmp_path, "m1,m2,cross_section_pb\n100,0,8\n400,0,0.5\n")
    with pytest.raises(UserError, match=r"m1 = 200, m2 = 0 .* holds \(100, 0\), \(400, 0\)"):
        theory.at(Point("p", (200, 0)), LABELS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "found the columns none; expected one or more of the labels m1, m2"),
        ("mass,cross_section_pb\n1,2\n", "the labels m1, m2"),
        ("m1,cross_section\n1,2\n", "cross_section_pb or cross_section_fb"),
        ("m1,cross_section_pb\n", "holds no cross-sections"),
        ("m1,cross_section_pb\n100,-1\n", 'row 2, column cross_section_pb: found "-1"'),
        ("m1,cross_section_pb\n100,1\n200,nan\n", 'row 3, column cross_section_pb: found "nan"'),
        ("m1,cross_section_pb\n100,1\n100.0,2\n", "row 3, column m1: the values 100.0 stand"),
        ("m1,cross_section_pb\n100\n", "row 2: 1 cells, expected one for each of the columns m1"),
        (
            "m1,cross_section_pb,relative_uncertainty\n100,1,7\n",
            'row 2, column relative_uncertainty: found "7", expected a fraction',
        ),
        (
            "m1,cross_section_pb,relative_uncertainty\n100,1,0.1\n200,1,\n",
            'row 3, column relative_uncertainty: found "", expected a fraction below 1 (0.07 for '
            "7 %) in every row, or else no such column",
        ),
    ],
)
def test_a_wrong_table_is_refused_with_row_and_column(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert expected in refusal(tmp_path, text)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_in_utf16_is_refused_with_what_to_do(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "theory.csv"
    path.write_bytes("m1,cross_section_pb\n100,1\n".encode(encoding))
    with pytest.raises(UserError, match=r"not a table in CSV form \(.*\); save it as CSV in UTF-8"):
        cross_sections.read(path, LABELS)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.csv: there is no such table of cross-sections"):
        cross_sections.read(tmp_path / "none.csv", LABELS)
