"""Formulas, conditions and boundaries of labels: their values, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recontour import formula
from recontour.errors import UserError

LABELS = ("m1", "m2", "m3", "lambda", "grid")
POINT = {"m1": 900, "m2": 250.0, "m3": 60, "lambda": 0.3, "grid": "wino"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("m1", 900),
        ("lambda", 0.3),  # any label alone, though Python has a word like it
        ("m1 - m2", 650),
        ("-m1 + 2 * (m2 + 1) / 4", -774.5),
        ("m1 ** 2", 810000),
        ("log(m1)", math.log(900)),
        ("log10(m3 + 40)", 2),
        ("sqrt(m1) + abs(-m3)", 90),
        ("max(m2, m3) - min(m2, m3, 1)", 249),
    ],
)
def test_a_formula_has_the_value_that_arithmetic_gives_it(text: str, value: float) -> None:
    assert formula.formula(text, LABELS, "key")(POINT) == float(f"{value:.12g}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", True),
        ("m3 == 60", True),
        ("m3 == 60.0000001", False),
        ("m2 - m3 == 190 and m1 > m2", True),
        ("m2 < 250 or not m3 != 60", True),
        ("0 <= m3 < 60", False),
        ("0.1 * 3 == lambda_", True),
        ('grid == "wino"', True),
        ('grid != "wino"', False),
    ],
)
def test_a_condition_holds_or_not(text: str, value: bool) -> None:
    point = POINT | {"lambda_": 0.3}
    assert formula.condition(text, tuple(point), "key")(point) is value


WRONG = [
    "m1 -",
    "",
    "m9 + 1",
    "__import__('os').system('true')",
    "m1.real",
    "m1[0]",
    "(lambda: 1)()",
    "[m1]",
    "m1 if m2 else m3",
    "'text'",
    "True",
    "m1 == m2",
    "open(m1)",
    "log(m1, m2)",
    "max(m1)",
    "log(x=1)",
    "m1 // m2",
    "m1 @ m2",
    "(m1 := 3)",
    "f'{m1}'",
    "1_0 + 1j",
    "(" * 150,
    "m1 +" * 100 + "m1",
    "m1\0",
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a - b <= 0.1", True),
        ("a - b >= 0.1", True),
        ("a - b < 0.1", False),
        ("a - b > 0.1", False),
    ],
)
@pytest.mark.parametrize("point", [{"a": 500.1, "b": 500.0}, {"a": 100.3, "b": 100.2}])
def test_rounding_decides_no_condition(text: str, value: bool, point: dict[str, float]) -> None:
    assert formula.condition(text, ["a", "b"], "key")(point) is value


def test_places_that_differ_by_rounding_are_one() -> None:
    difference = formula.formula("a - b", ["a", "b"], "key")
    assert difference({"a": 170.3, "b": 125.1}) == difference({"a": 100.2, "b": 55.0}) == 45.2


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_formula_is_refused_with_what_is_valid(text: str) -> None:
    with pytest.raises(UserError, match=r"^config key axes: .*labels m1, m2, m3.*log10") as error:
        formula.formula(text, LABELS, "config key axes")
    assert len(str(error.value)) < 1000


def test_a_number_beyond_all_floats_is_refused() -> None:
    with pytest.raises(UserError, match="a number that is too large"):
        formula.formula("m1 - 0x" + 285 * "f", LABELS, "key")


@pytest.mark.parametrize("text", ["m1", "m1 - 1", "m3 = 60", "m1 > m9", "m1 in m2", "1 < 'a'"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"config key where: .*valid are the labels"):
        formula.condition(text, LABELS, "config key where")


@pytest.mark.parametrize(
    "text",
    ["1 / (m3 - 60)", "log(-m1)", "10 ** 10 ** 10", "(-m1) ** 0.5", "1e999 * m1", "grid + 1"],
)
def test_a_formula_without_a_value_says_where(text: str) -> None:
    with pytest.raises(UserError, match=r"key: .* has no value for m1 = 900, m2 = 250.0") as error:
        formula.formula(text, LABELS, "key")(POINT)
    assert "correct it in the table of points, or the formula" in str(error.value)


@given(st.text(max_size=60) | st.text("m12+-*/().<>= andorlg'\"", max_size=40))
def test_any_text_is_a_finite_number_or_a_clear_refusal(text: str) -> None:
    for read in (formula.formula, formula.condition):
        try:
            assert math.isfinite(read(text, LABELS, "key")(POINT))
        except UserError as error:
            assert str(error).startswith("key: ")


@pytest.mark.parametrize(
    ("text", "axes", "plane", "expected"),
    [
        ("m1 >= m2 + 125", ["m1", "m2"], "", (1, -1, 125)),
        ("m1>=m2-12.5", ["m1", "m2"], "", (1, -1, -12.5)),
        ("m2 <= m1", ["m1", "m2"], "", (1, -1, 0)),
        ("m2 >= m1", ["m1", "m2"], "", (-1, 1, 0)),
        ("2 * (m1 - 10) / 4 > m2", ["m1", "m2"], "", (0.5, -1, 5)),
        ("m1 >= m2 + 125", ["m1 - m2", "m2"], "", (1, 0, 125)),
        ("m3 >= 5", ["m1", "m2"], "m2 - m3 == 130", (0, 1, 135)),
        ("m2 >= m3 + 125", ["m1", "m2"], "m3 == 60", (0, 1, 185)),
        ("m1 >= m3 + 125", ["m1"], "m3 == 60 and m2 > 0", (1, 185)),
        ("m1 >= 100", ["m1", "lambda"], "", (1, 0, 100)),
        ("log(m1) >= 3", ["log(m1)", "m2"], "", (1, 0, 3)),
    ],
)
def test_a_boundary_becomes_coefficients_of_the_axes(
    text: str, axes: list[str], plane: str, expected: tuple[float, ...]
) -> None:
    assert formula.boundary(text, axes, plane, LABELS, "key") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m1 = m2 + 125", "it is no formula.*m1 >= m2 [+] 125"),
        ("m1 == m2", "it is no inequality"),
        ("m1 >= m2 >= m3", "it is no inequality"),
        ("m1 >= m9", '"m9" is no label'),
        ("m1 >= m2 / 0", "divides by zero"),
        ("m1 * m2 >= 3", "not linear in the axes m1, m2"),
        ("m1 >= m3 + 125", "not linear in the axes m1, m2"),
        ("log(m1) >= 3", "not linear in the axes"),
        ("1 >= 0", "does not depend on the axes"),
        ("m1 >= 1e999", "is not finite in the axes m1, m2"),
        ("m1 >= m2 + 1e308 * 10", "is not finite"),
        ("1e999 * m1 >= m2", "is not finite"),
    ],
)
def test_a_boundary_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=f"config key boundary: .*{message}"):
        formula.boundary(text, ["m1", "m2"], "", LABELS, "config key boundary")
