"""Signal regions: backgrounds with patches of their own, for one list of signal points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from recontour.errors import UserError, printable
from recontour.likelihood import Patch, Patchset, Point, Value


def join(patchsets: Mapping[str, Patchset]) -> tuple[tuple[str, ...], tuple[Patch, ...]]:
    """The labels and the patches of all regions, sorted by region.

    Patches with the same values belong to one signal point, which bears its name in the first
    region. Raises UserError if regions have different labels, or one name for several points.
    """
    labels = {region: patchset.labels for region, patchset in patchsets.items()}
    first = next(iter(labels.values()))
    for region, others in labels.items():
        if others != first:
            raise UserError(
                f"the patches of region {region} have the labels {printable(', '.join(others))}, "
                f"but those of region {next(iter(labels))} {printable(', '.join(first))}; each "
                "region needs the same: name the groups of the patterns alike"
            )
    names: dict[tuple[Value, ...], str] = {}
    values: dict[str, tuple[Value, ...]] = {}
    joined = []
    for region, patchset in patchsets.items():
        for patch in patchset.patches:
            name = names.setdefault(patch.values, patch.name)
            known = values.setdefault(name, patch.values)
            if known != patch.values:
                raise UserError(
                    f"region {region}: the patch {name} has the values "
                    f"{printable(patch.values)}, but in another region {printable(known)}; a name "
                    "must stand for one signal point"
                )
            joined.append(replace(patch, name=name, region=region))
    return first, tuple(joined)


def points(joined: Iterable[Patch]) -> tuple[Point, ...]:
    """The signal points of patches, each once, in the order of their first appearance."""
    found = {patch.name: Point(patch.name, patch.values) for patch in joined}
    return tuple(found.values())


def missing(joined: Sequence[Patch], regions: Iterable[str]) -> dict[str, list[str]]:
    """The names of the points that each of the `regions` has no patch for."""
    everywhere = [point.name for point in points(joined)]
    held: dict[str, set[str]] = {region: set() for region in regions}
    for patch in joined:
        held.setdefault(patch.region, set()).add(patch.name)
    return {
        region: [name for name in everywhere if name not in names] for region, names in held.items()
    }
