"""Published likelihoods in a notebook: signals by name or values, tests, limits and contours.

>>> import recontour
>>> search = recontour.open("BkgOnly.json", "patchset.json")       # doctest: +SKIP
>>> search[900, 250].hypotest().CLs_obs                            # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import histfit

from recontour import formula, mirrors, patches, results, selection
from recontour.archive import unpack
from recontour.backgrounds import Background
from recontour.errors import UserError
from recontour.fetch import fetch_resource
from recontour.files import read_json
from recontour.likelihood import (
    Patch,
    Patchset,
    digest,
    index_patchset,
    verify_background,
)
from recontour.measurements import Workspace
from recontour.structure import check_workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def download(
    doi: str,
    folder: Path | str,
    *,
    size: int,
    sha256: str,
    members: Sequence[str] = ("BkgOnly.json", "patchset.json"),
    mirror: Path | str | None = None,
) -> Path:
    """Fetch the archive with `doi` and unpack `members` of it into `folder`, which is returned.

    The archive must have `size` bytes and the checksum `sha256`. It is taken from the folder
    `mirror` of copies filed by DOI, by default the one that the environment variable HEPDATA_MIRROR
    names, or else from HEPData. Raises UserError.
    """
    mirror = mirror or mirrors.of_environment() or None
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "likelihood.archive"
    fetch_resource(doi, archive, size=size, sha256=sha256, mirror=mirror)
    unpack(archive, folder, members)
    return folder


def open(
    background: Path | str, patchset: Path | str, measurement: str | None = None
) -> Likelihood:
    """The likelihood of a background-only workspace and its patchset, two JSON files.

    `measurement` is the one to use of several, by default the first. Raises UserError if the two do
    not belong together, or one is not what it should be.
    """
    spec = read_json(background)
    check_workspace(spec, background)
    index = index_patchset(patchset)
    verify_background(spec, index.digests, digest(spec), background)
    compiled = Background(spec, measurement or "", background)
    return Likelihood(compiled, index, Path(patchset).parent)


class Likelihood:
    """A background and the signals of its patchset.

    `likelihood["C1N2_Wh_hbb_900_250"]` and `likelihood[900, 250]` are a `Signal`; so is every item
    of a loop over the likelihood.

    Attributes:
        background: the background-only workspace
        patchset: labels, description and list of the patches
        compiled: the background, compiled
    """

    def __init__(self, compiled: Background, patchset: Patchset, folder: Path) -> None:
        self.background = compiled.spec
        self.patchset = patchset
        self.compiled = compiled
        self._folder = folder

    def __repr__(self) -> str:
        return (
            f"<likelihood: {len(self.samples)} channels, {len(self)} signals by "
            f"{', '.join(self.labels)}>"
        )

    def __len__(self) -> int:
        return len(self.patchset.patches)

    def __iter__(self) -> Iterator[Signal]:
        return (Signal(self, patch) for patch in self.patchset.patches)

    def __getitem__(self, wanted: Any) -> Signal:
        """The signal with a name or values. Raises UserError with the nearest ones."""
        one = list(wanted) if isinstance(wanted, tuple) else wanted
        (patch,) = selection.select(self.patchset.patches, [one])
        return Signal(self, patch)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the signals' values."""
        return self.patchset.labels

    @property
    def samples(self) -> dict[str, list[str]]:
        """The background's samples, by channel."""
        return _samples(self.background)

    def operations(self, patch: Patch) -> list[dict[str, Any]]:
        """The operations of a patch."""
        return patches.load_patch(self._folder, patch)

    def scan(self, wanted: Any = "all", mu: float = 1.0) -> Scan:
        """Test the signals that are `wanted` (as in the config key `select`), one after another.
        One that cannot be fitted has the status "failed" and a reason."""
        rows = []
        for patch in selection.select(self.patchset.patches, wanted):
            try:
                tested = Signal(self, patch).hypotest(mu)
                rows.append(results.succeeded(patch, self.labels, tested))
            except (UserError, histfit.HistfitError) as error:
                rows.append(results.failed(patch, self.labels, error))
        return Scan(self.labels, rows)


class Signal:
    """A signal of a likelihood.

    Attributes:
        name: the name of its patch
        values: its values, by label
    """

    def __init__(self, likelihood: Likelihood, patch: Patch) -> None:
        self._likelihood, self._patch = likelihood, patch
        self.name = patch.name
        self.values = dict(zip(likelihood.labels, patch.values, strict=True))

    def __repr__(self) -> str:
        return f"<signal {self.name}: {self.values}>"

    @property
    def patch(self) -> list[dict[str, Any]]:
        """The operations of its patch."""
        return self._likelihood.operations(self._patch)

    @cached_property
    def workspace(self) -> dict[str, Any]:
        """The background with the signal, a workspace in pyhf's schema; its parts that the patch
        leaves alone are the background's own."""
        return self._likelihood.compiled.workspace(self.patch, self.name)

    @property
    def samples(self) -> dict[str, list[str]]:
        """The samples of the workspace, by channel."""
        return _samples(self.workspace)

    @cached_property
    def model(self) -> histfit.Model:
        """The compiled model."""
        return self._likelihood.compiled.model(self.workspace, self.name)

    def hypotest(self, mu: float = 1.0, **options: Any) -> histfit.HypoTest:
        """Test the signal strength `mu`; `options` are those of `histfit.hypotest`."""
        return histfit.hypotest(self.model, mu, **options)

    def upper_limit(self, **options: Any) -> histfit.UpperLimit:
        """Upper limits on the signal strength, at any height unless told otherwise; `options` are
        those of `histfit.upper_limit`."""
        return histfit.upper_limit(self.model, **{"beyond_bounds": True, **options})


class Scan:
    """CLs of many signals.

    Attributes:
        labels: the labels of the signals' values
        rows: dicts with the columns of `cls.csv`
    """

    def __init__(self, labels: Sequence[str], rows: Sequence[results.Row]) -> None:
        self.labels, self.rows = tuple(labels), tuple(rows)

    def contours(self, x: str, y: str, boundary: str = "") -> dict[str, Any]:
        """The exclusion contours over the formulas of labels `x` and `y`, as in `contours.json`:
        `["curves"]["observed"]` is a list of polylines. Where the signals' decay is kinematically
        allowed is said by a `boundary` such as "m1 >= m2 + 125"."""
        from recontour import contour

        axes, allowed = self._plane(x, y, boundary)
        return contour.contours(self._points(axes), axes, allowed)

    def draw(
        self, x: str, y: str, boundary: str = "", title: str = "", out: Sequence[Path | str] = ()
    ) -> Figure:
        """The exclusion figure, also written to the files `out` (PDF or PNG)."""
        from recontour import figure

        axes, _ = self._plane(x, y, boundary)
        found = self.contours(x, y, boundary)
        return figure.draw(found, self._points(axes), {}, title, (), out)

    def _plane(
        self, x: str, y: str, boundary: str
    ) -> tuple[dict[str, Any], tuple[float, ...] | None]:
        axes = {axis: {"label": text, "title": text} for axis, text in (("x", x), ("y", y))}
        if not boundary:
            return axes, None
        return axes, formula.boundary(boundary, [x, y], "", self.labels, "boundary")

    def _points(self, axes: Mapping[str, Any]) -> Any:
        from recontour.points import read_points

        cells = [
            {column: "" if value is None else str(value) for column, value in row.items()}
            for row in self.rows
        ]
        return read_points(cells, axes, "the scan")


def _samples(workspace: Workspace) -> dict[str, list[str]]:
    return {
        channel["name"]: [sample["name"] for sample in channel["samples"]]
        for channel in workspace["channels"]
    }
