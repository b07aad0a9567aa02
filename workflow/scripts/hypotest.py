"""Compute CLs, observed and expected, of a batch of signal points at signal strength 1."""

from __future__ import annotations

from collections.abc import Sequence

import histfit
from recontour import cli, cross_sections, patches, results, scan
from recontour.likelihood import Point


def main() -> None:
    parser = scan.parser(__doc__)
    parser.add_argument(
        "--cross-sections", nargs="?", help="with uncertainties, by which they are varied"
    )
    options = parser.parse_args()
    if not options.cross_sections:
        scan.write(options, test, results.failed)
        return

    labels = patches.read_index(options.patches, ()).labels
    theory = cross_sections.read(options.cross_sections, labels)

    def varied(point: Point, labels: Sequence[str], model: histfit.Model) -> results.Row:
        shift = theory.at(point, labels).uncertainty or 0.0
        tests = [histfit.hypotest(model, mu=mu) for mu in (1.0, 1.0 + shift, 1.0 - shift)]
        return results.succeeded(point, labels, *tests)

    def failed(point: Point, labels: Sequence[str], reason: object) -> results.Row:
        return results.with_variations(results.failed(point, labels, reason))

    scan.write(options, varied, failed, [options.cross_sections])


def test(point: Point, labels: Sequence[str], model: histfit.Model) -> results.Row:
    return results.succeeded(point, labels, histfit.hypotest(model, mu=1.0))


if __name__ == "__main__":
    cli.main(main)
