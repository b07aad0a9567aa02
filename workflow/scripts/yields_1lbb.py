"""Make a table of yields for 1Lbb from ATLAS' published acceptances and efficiencies.

Expected events in a bin are cross-section times luminosity times acceptance times efficiency
(10.17182/hepdata.90607.v2, tables 18 to 41; the acceptances include the branching ratios of W → ℓν
and h → bb). Where a table has no row for a point, no simulated event passed, and the yield is 0.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recontour import cli, cross_sections, mirrors, selection, tables
from recontour.errors import UserError
from recontour.fetch import fetch_table
from recontour.files import write_text

RECORD, INSPIRE, VERSION = "10.17182/hepdata.90607.v2", "ins1755298", 2
LUMINOSITY = 139.0  # fb⁻¹
BINS = ("Low", "Med", "High")

TABLES = {
    "LM": (
        19,
        "f87524dc1562575ee7977c5aa9f3bf004f972583e35cacbad0956cd691f38020",
        "ebfc820e38d1eda591a02b3ab8a7a5b47f75ed8e853a1b81f4ffbe720df76d5f",
        "b0ff35ac8e289a06e8fba5f491c59f0b63089e669913f0f1c6c8eb0cb007117c",
        "55607cfd8da42f641c73e676bb93ed1365ed03e3ba8d96a73fcd05739f8e70d6",
        "dc24b262b7b6a72880728bb4b9f5c6ba88c0af49453a51eba69cae4de5bcb4de",
        "076a8dc2383d4aaa882f9bfa0493d7fdea298980ae9702c6e19fb877a870dae1",
    ),
    "MM": (
        23,
        "85cf44a2b5d767bdba5408b9fed1c8ad57a6967f6138c38949f9da2eef5cb654",
        "8f2818aa4319941caa1459ceffc853f75335a059fb3f432ce997d24a336314ce",
        "0d675d32545f2dab0fe2a83a76b687d6140658d0cb268ac9b0afec77fd02fd62",
        "835eca02c431fb0dfe06d28eadf9f0ca49aa147b05949b9e91d2f5669d7a44fb",
        "805eb4092a0d8c74bdd5a8af1148e2163a854c0ce66cb918bed5780cac2b8c38",
        "2845b53dea74d380701b783abb9380b746a7270fdc70aaa10492aeabfa199058",
    ),
    "HM": (
        27,
        "c582a9b8e4894eefb5e8de551e979294ebd4420f8f16ba310be3feda60f63e92",
        "85312346b46a92c56a355866a7197533b31ebc43241bab479e3e09202e9e4ba3",
        "cba095456d7d8c01bc1ea13bcff835b438f8d7ade3fd8a482efa6c73f9009b8b",
        "50aa75ab678177246702159f30e87d5ed9cabf103d97aee87b71e0bb27af23af",
        "4717bf664ad09279a2094a99f9f4e0bb0deb4bc5cbc14ea47779b343d1bf9070",
        "5e8211ef262cb43f4413f8084013b0152a7c11642c8f32f222cfed9d706b6c5a",
    ),
}
"""Of each signal region: the number of its first table of acceptances, twelve before that of the
efficiencies, and the digests of both kinds of tables for the bins of m_CT."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", default="config/points/1Lbb.csv", help="table of points")
    parser.add_argument("--cross-sections", required=True, help="table of the theory's, over m1")
    parser.add_argument("--systematic", type=float, default=0.0, help="relative, of all yields")
    mirrors.add_option(parser)
    parser.add_argument("--out", help="file to write when all is well, by default stdout")
    options = parser.parse_args()
    if not 0.0 <= options.systematic <= 1.0:
        raise UserError(
            f"--systematic: found {options.systematic:g}, expected a fraction of the yields, from "
            "0 to 1 (0.15 for 15 %)"
        )

    listed = selection.read_points(options.points)
    theory = cross_sections.read(options.cross_sections, listed.labels)
    shares = {
        (region, i): passing(region, i, options.mirror) for region in TABLES for i in range(3)
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("point", *listed.labels, "channel", "bin", "yield", "systematic"))
    for point in listed.points:
        produced = 1e3 * theory.at(point, listed.labels).value * LUMINOSITY
        for (region, i), share in shares.items():
            events = produced * share.get(tuple(map(float, point.values)), 0.0)
            row = (point.name, *point.values, f"SR{region}EM_mct2", i, f"{events:.8g}")
            writer.writerow((*row, options.systematic))
    if options.out:
        write_text(options.out, text.getvalue())
    else:
        print(text.getvalue(), end="")


def passing(region: str, i: int, mirror: str | None) -> dict[tuple[float, ...], float]:
    """The share of produced events that end in a bin of a region, by the masses of the point."""
    first, *digests = TABLES[region]
    names = [f"{kind}_table_SR_{region}_{BINS[i]}_MCT" for kind in ("Acc", "Eff")]
    acceptance, efficiency = (
        read(f"{RECORD}/t{number + i}", name, digests[place], mirror)
        for number, name, place in zip((first, first + 12), names, (i, i + 3), strict=True)
    )
    return {at: acceptance[at] * efficiency[at] for at in acceptance.keys() & efficiency.keys()}


def read(doi: str, name: str, digest: str, mirror: str | None) -> dict[tuple[float, ...], float]:
    """A table of percentages, as fractions by the masses of the point."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        fetch_table(doi, INSPIRE, name, VERSION, path, digest=digest, mirror=mirror)
        return {(x, y): percent / 100 for x, y, percent in tables.read_table(path).rows}


if __name__ == "__main__":
    cli.main(main)
