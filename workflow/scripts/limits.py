"""Compute upper limits on the signal strength, observed and expected, of a batch of points."""

from __future__ import annotations

from collections.abc import Sequence

import histfit
from recontour import cli, limits, results, scan
from recontour.likelihood import Point


def main() -> None:
    scan.write(scan.parser(__doc__).parse_args(), limit, limits.failed)


def limit(point: Point, labels: Sequence[str], model: histfit.Model) -> results.Row:
    if not model.has_signal:
        return limits.without_signal(point, labels)
    return limits.found(point, labels, limits.upper_limit(model))


if __name__ == "__main__":
    cli.main(main)
