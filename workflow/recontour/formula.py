"""Formulas and conditions of labels, such as `log(m1) - m2` and `m3 == 60 and m1 > m2`.

They come from a config and are read, never executed: Python's parser takes them apart, and of its
syntax only what is listed here is taken. Numbers are floats, so that none can grow without bound.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recontour.errors import UserError, printable

LONGEST = 300
FUNCTIONS: dict[str, Callable[..., float]] = {
    "log": math.log,
    "log10": math.log10,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "abs": abs,
    "min": min,
    "max": max,
}

_ARITHMETIC: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_SIGNS: dict[type, Callable[[float], float]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}


def _equal(a: Any, b: Any) -> bool:
    """Equal texts, or numbers that differ by rounding at most."""
    numbers = type(a) is not str and type(b) is not str
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) if numbers else a == b


_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: lambda a, b: a < b and not _equal(a, b),
    ast.LtE: lambda a, b: a <= b or _equal(a, b),
    ast.Gt: lambda a, b: a > b and not _equal(a, b),
    ast.GtE: lambda a, b: a >= b or _equal(a, b),
    ast.Eq: _equal,
    ast.NotEq: lambda a, b: not _equal(a, b),
}

Values = Mapping[str, Any]
"""The values of a signal point by label: numbers, or texts."""


class _Wrong(Exception):
    """What is wrong with a formula or its value."""


@dataclass(frozen=True)
class Formula:
    """A formula of labels: call it with the values of a point; the value is finite, and has twelve
    digits, lest rounding make two places of one.

    Raises UserError if the values do not allow it, such as the logarithm of zero.
    """

    text: str
    where: str
    evaluate: Callable[[Values], Any]

    def __call__(self, values: Values) -> Any:
        try:
            value = self.evaluate(values)
            if not math.isfinite(value):
                raise _Wrong("the result is not finite")
            return value if isinstance(value, bool) else float(f"{value:.12g}")
        except (_Wrong, ArithmeticError, ValueError, TypeError) as error:
            shown = ", ".join(f"{label} = {value}" for label, value in values.items())
            raise UserError(
                f'{self.where}: "{printable(self.text)}" has no value for {printable(shown)[:200]} '
                f"({printable(error)}); correct it in the table of points, or the formula, or "
                "select points that have one"
            ) from None


def formula(text: str, labels: Collection[str], where: str) -> Formula:
    """The formula `text` of `labels`; a text that is a label is that label, whatever its name.

    `where` names the config key in errors. Raises UserError listing what is valid.
    """
    if text in labels:
        return Formula(text, where, _label(text))
    return Formula(text, where, _read(text, labels, where, _number))


def condition(text: str, labels: Collection[str], where: str) -> Formula:
    """The condition `text`, such as `m3 == 60 and 500 <= m1`, true or false for a point; an empty
    one is always true. Texts are compared with == and !=. Errors are those of `formula`."""
    if not text.strip():
        return Formula(text, where, lambda values: True)
    return Formula(text, where, _read(text, labels, where, _logic))


def boundary(
    text: str, axes: list[str], plane: str, labels: Collection[str], where: str
) -> tuple[float, ...]:
    """The boundary `text`, an inequality such as `m1 >= m2 + 125`, as (a, b, c): signals with
    a·x + b·y ≥ c are allowed, where x, y are the formulas `axes`; (a, c) if there is but one.

    The condition `plane`, of the points in the plane, may help: where `m2 == m3 + 130`, `m3 >= 5`
    is `m2 >= 135`. Raises UserError if it is no inequality, not linear in the axes, or not finite.
    """
    try:
        tree = _tree(text)
        match tree:
            case ast.Compare(left=left, ops=[ast.GtE() | ast.Gt()], comparators=[right]):
                larger, smaller = left, right
            case ast.Compare(left=left, ops=[ast.LtE() | ast.Lt()], comparators=[right]):
                larger, smaller = right, left
            case _:
                raise _Wrong("it is no inequality of two formulas")
        goal = _difference(_linear(larger, labels), _linear(smaller, labels))
        forms = [{axis: 1.0} if axis in labels else _linear(_tree(axis), labels) for axis in axes]
        forms += [{"": -1.0}, *_equalities(plane, labels)]
    except _Wrong as wrong:
        raise _refusal(text, labels, where, wrong, "m1 >= m2 + 125") from None
    atoms = sorted({atom for form in (goal, *forms) for atom in form})
    matrix = np.array([[form.get(atom, 0.0) for form in forms] for atom in atoms])
    wanted = np.array([goal.get(atom, 0.0) for atom in atoms])
    solution = np.full(len(forms), np.nan)
    if np.isfinite(matrix).all() and np.isfinite(wanted).all():
        solution = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
    if not np.isfinite(solution).all():
        raise UserError(
            f'{where}: "{printable(text)}" is not finite in the axes {printable(", ".join(axes))}; '
            "write it with smaller numbers"
        )
    found = tuple(float(f"{v:.12g}") + 0.0 for v in np.where(abs(solution) < 1e-12, 0, solution))
    found = found[: len(axes) + 1]
    if np.abs(matrix @ solution - wanted).max() > 1e-9 * np.abs(wanted).max(initial=1.0):
        raise UserError(
            f'{where}: "{printable(text)}" is not linear in the axes {printable(", ".join(axes))}; '
            "a boundary has to be a straight line in them (for a logarithmic axis, give the label "
            "and `scale: log`)"
        )
    if not any(found[:-1]):
        raise UserError(
            f'{where}: "{printable(text)}" does not depend on the axes '
            f"{printable(', '.join(axes))}; write an inequality of theirs, or none"
        )
    return found


Linear = dict[str, float]
"""Coefficients of labels or of other terms, by their text; that of "" is the constant."""


def _linear(node: ast.expr, labels: Collection[str]) -> Linear:
    """A formula as a sum of terms; what is not linear in labels is a term by itself."""
    _number(node, labels)
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _difference(_linear(left, labels), _scaled(_linear(right, labels), -1.0))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _difference(_linear(left, labels), _linear(right, labels))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _scaled(_linear(operand, labels), -1.0)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _linear(operand, labels)
        case ast.BinOp(left=left, op=ast.Mult(), right=right) if not _names(left):
            return _scaled(_linear(right, labels), _constant(left))
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right) if not _names(
            right
        ):
            factor = _constant(right)
            if isinstance(op, ast.Div):
                if factor == 0:
                    raise _Wrong("it divides by zero")
                factor = 1 / factor
            return _scaled(_linear(left, labels), factor)
    return {ast.unparse(node): 1.0} if _names(node) else {"": _constant(node)}


def _difference(first: Linear, second: Linear) -> Linear:
    return {term: first.get(term, 0.0) - second.get(term, 0.0) for term in {**first, **second}}


def _scaled(form: Linear, factor: float) -> Linear:
    return {term: factor * coefficient for term, coefficient in form.items()}


def _constant(node: ast.expr) -> float:
    try:
        return float(_number(node, ())({}))
    except (ArithmeticError, ValueError) as error:
        raise _Wrong(str(error)) from None


def _names(node: ast.expr) -> bool:
    """Does a formula depend on any label?"""
    functions = {id(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
    return any(isinstance(n, ast.Name) and id(n) not in functions for n in ast.walk(node))


def _equalities(plane: str, labels: Collection[str]) -> list[Linear]:
    """What a condition says to be zero."""
    if not plane.strip():
        return []
    tree = _tree(plane)
    parts = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
    found = []
    for part in parts:
        match part:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]) if not any(
                isinstance(node, ast.Constant) and type(node.value) is str
                for node in ast.walk(part)
            ):
                found.append(_difference(_linear(left, labels), _linear(right, labels)))
    return found


def _read(
    text: str,
    labels: Collection[str],
    where: str,
    reader: Callable[[ast.expr, Collection[str]], Callable[[Values], Any]],
) -> Callable[[Values], Any]:
    try:
        return reader(_tree(text), labels)
    except _Wrong as wrong:
        example = "m1 - m2" if reader is _number else "m3 == 60"
        raise _refusal(text, labels, where, wrong, example) from None


def _refusal(
    text: str, labels: Collection[str], where: str, wrong: _Wrong, example: str
) -> UserError:
    return UserError(
        f'{where}: "{printable(text)[:LONGEST]}": {wrong}; valid are the labels '
        f"{printable(', '.join(labels))}, numbers, + - * / **, parentheses and "
        f"{', '.join(FUNCTIONS)}, as in `{example}`"
    )


def _tree(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise _Wrong(f"it is longer than {LONGEST} characters")
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _Wrong("it is no formula") from None


def _label(name: str) -> Callable[[Values], Any]:
    def value(values: Values) -> Any:
        if type(values[name]) is str:
            raise _Wrong(f'{name} is "{values[name]}", which is no number')
        return values[name]

    return value


def _number(node: ast.expr, labels: Collection[str]) -> Callable[[Values], Any]:
    """How a formula that yields a number is evaluated."""
    match node:
        case ast.Constant(value=int() | float() as number) if type(number) is not bool:
            try:
                constant = float(number)
            except OverflowError:
                raise _Wrong("it holds a number that is too large") from None
            return lambda values: constant
        case ast.Name(id=name) if name in labels:
            return _label(name)
        case ast.Name(id=name):
            raise _Wrong(f'"{name}" is no label')
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            sign, inner = _SIGNS[type(op)], _number(operand, labels)
            return lambda values: sign(inner(values))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            apply, first, second = (
                _ARITHMETIC[type(op)],
                _number(left, labels),
                _number(right, labels),
            )
            return lambda values: apply(first(values), second(values))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            least, most = (2, 10) if name in ("min", "max") else (1, 1)
            if not least <= len(args) <= most:
                raise _Wrong(f"{name} does not take {len(args)} arguments")
            function, inners = FUNCTIONS[name], [_number(arg, labels) for arg in args]
            return lambda values: function(*(inner(values) for inner in inners))
    raise _Wrong(f"it holds `{ast.unparse(node)[:60]}`, which is no part of a formula")


def _logic(node: ast.expr, labels: Collection[str]) -> Callable[[Values], bool]:
    """How a condition is evaluated."""
    match node:
        case ast.BoolOp(op=op, values=parts):
            inners = [_logic(part, labels) for part in parts]
            joined = all if isinstance(op, ast.And) else any
            return lambda values: joined(inner(values) for inner in inners)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            negated = _logic(operand, labels)
            return lambda values: not negated(values)
        case ast.Compare(left=left, ops=ops, comparators=rights) if all(
            type(op) in _COMPARISONS for op in ops
        ):
            compare = [_COMPARISONS[type(op)] for op in ops]
            textual = all(isinstance(op, ast.Eq | ast.NotEq) for op in ops)
            sides = [_side(side, labels, textual) for side in (left, *rights)]

            def holds(values: Values) -> bool:
                found = [side(values) for side in sides]
                return all(c(a, b) for c, a, b in zip(compare, found, found[1:], strict=False))

            return holds
    raise _Wrong(f"it holds `{ast.unparse(node)[:60]}`, which is no comparison")


def _side(node: ast.expr, labels: Collection[str], textual: bool) -> Callable[[Values], Any]:
    """How one side of a comparison is evaluated, which is a text where that makes sense."""
    match node:
        case ast.Constant(value=str() as text) if textual:
            return lambda values: text
        case ast.Name(id=name) if name in labels and textual:
            return lambda values: values[name]
    return _number(node, labels)
