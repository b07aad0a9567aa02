"""Compute upper limits on the signal strength, observed and expected, of a batch of points."""

from __future__ import annotations

from collections.abc import Sequence

import histfit
from recontour import cli, limits, results, scan
from recontour.likelihood import Point


def main() -> None:
    scan.write(scan.parser(__doc__).parse_args(), limit, limits.failed)


def limit(point: Point, labels: Sequence[str], model: histfit.Model) -> results.Row:
    if model.poi is None:
        return limits.failed(point, labels, results.NO_SIGNAL)
    return limits.found(point, labels, histfit.upper_limit(model, beyond_bounds=True))


if __name__ == "__main__":
    cli.main(main)
