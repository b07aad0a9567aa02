"""Compute CLs, observed and expected, of a batch of signal points at signal strength 1."""

from __future__ import annotations

from collections.abc import Sequence

import histfit
from recontour import cli, results, scan
from recontour.likelihood import Point


def main() -> None:
    scan.write(scan.parser(__doc__).parse_args(), test, results.failed)


def test(point: Point, labels: Sequence[str], model: histfit.Model) -> results.Row:
    return results.succeeded(point, labels, histfit.hypotest(model, mu=1.0))


if __name__ == "__main__":
    cli.main(main)
