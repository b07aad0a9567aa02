"""The report page and the interactive figure: what they show, and that they need nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from latex2mathml.converter import convert
from recontour import contour, crossings, interactive, pages, report
from recontour.files import read_json
from recontour.likelihood import Point
from recontour.points import COLUMNS, VARIED_CURVES, Points
from recontour.results import CLS, failed
from running import ROOT, snakemake
from scipy.special import ndtr

AXES = {
    "x": {"label": "m1", "title": r"$m(\tilde\chi_1^\pm)$", "unit": "GeV"},
    "y": {"label": "m2", "title": "$m_2$", "unit": "GeV"},
}
ROW = {"name": "a", "m1": 500, **dict.fromkeys(CLS, 0.25), "status": "ok", "edm": 1e-12}
ROW |= {"starts": 1, "iterations": 10, "reason": ""}
FAILED = ROW | dict.fromkeys((*CLS, "edm", "starts", "iterations")) | {"status": "failed"}
PROVENANCE = {
    "sources": {"likelihood": {"doi": "10.5072/x.v1/r1", "source": "mirror", "sha256": "ab" * 32}},
    "results": {"cls.csv": {"sha256": "cd" * 32}},
    "code": {"version": "1", "commit": "ef" * 20, "modified": True},
    "software": {"python": "3.11"},
    "platform": "Linux",
}


class Page(HTMLParser):
    """The elements of a page by tag, with attributes and the text that is directly in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[tuple[dict[str, str | None], str]]] = {}
        self._tag, self._at = "", {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.found.setdefault(tag, []).append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self._tag and data.strip():
            attrs, text = self.found[self._tag][-1]
            self.found[self._tag][-1] = (attrs, text + data)

    def texts(self, tag: str) -> list[str]:
        return [text.strip() for _, text in self.found.get(tag, [])]

    def attributes(self, name: str) -> list[str]:
        return [at[name] or "" for every in self.found.values() for at, _ in every if name in at]


def needs_nothing_else(text: str) -> bool:
    """Whether all that a browser loads for a page is in it: links are followed by people only."""
    page = Page(text)
    links = {attrs.get("href") for attrs, _ in page.found.get("a", [])}
    loaded = [*page.attributes("src"), *(set(page.attributes("href")) - links)]
    styles = re.findall(r"url\(|@import", "".join(page.texts("style")))
    return all(address.startswith("data:") for address in loaded) and not styles


def page_of(rows: list[dict[str, Any]]) -> str:
    return report.page("A search", ["$m_1$"], [], rows, [], PROVENANCE)


def test_the_page_of_a_run_shows_figure_comparison_points_fits_and_provenance(
    finished_small: Path,
) -> None:
    results = finished_small / "results/small"
    text = (results / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert needs_nothing_else(text)
    sections = [attrs["id"] for attrs, _ in page.found["section"]]
    assert sections == ["exclusion", "comparison", "quality", "points", "provenance", "workflow"]
    (image,) = (attrs["src"] for attrs, _ in page.found["img"])
    assert image == pages.data_uri(results / "exclusion.png")
    verdict = read_json(results / "comparison.json")["verdict"]
    assert verdict in page.texts("span")
    cells = page.texts("td")
    for row in read_json(results / "cls.json"):
        at = cells.index(row["name"])
        shown = [pages.short(row[column]) for column in ("m1", "m2", *CLS, "status", "edm")]
        assert cells[at + 1 : at + 1 + len(shown)] == shown
    for record in read_json(results / "provenance.json")["sources"].values():
        assert record["doi"] in page.texts("a")
        assert record["sha256"] in page.texts("code")
    assert "12 points done, 0 failed" in page.texts("dd")
    for caption in ("exclusion", "comparison", "quality", "points", "provenance", "steps"):
        assert str(pages.caption(caption)) in text, caption


@pytest.mark.long
def test_provenance_holds_the_config_of_the_last_run(finished_small: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished_small, tmp_path / "run"))
    done = snakemake(folder, "--config", 'analyses={small: {title: "Another title"}}')
    assert done.returncode == 0, done.stdout
    content = read_json(folder / "results/small/provenance.json")
    assert content["config"]["analyses"]["small"]["title"] == "Another title"
    assert "Rule: provenance" in done.stdout and "Rule: hypotest" not in done.stdout
    titled = 'analyses={small: {title: "Another title"}}'
    again = snakemake(folder, "--config", titled, "network={attempts: 7}")
    assert again.returncode == 0 and "Rule: provenance" not in again.stdout


def test_a_comparison_is_put_into_words() -> None:
    point = {"name": "p", "x": 1.0, "y": 2.0, "CLs": 0.0114, "inside_published": False}
    found = {"median": 3.0203, "p90": 7.1238, "max": 11.7737, "overlap": 0.96719, "covered": 1.0}
    words = report.in_words("observed", found | {"disagreements": [point]}, "GeV")
    assert words == (
        "Half of the published observed contour lies within 3 GeV of ours, 90 % within "
        "7.1 GeV, all within 12 GeV. The excluded areas overlap by 96.7 %. "
        "On its other side: p (beyond the published contour, CLs = 0.011)."
    )
    far = found | {"median": 121.4, "p90": 5432.1, "max": 1.6e6, "disagreements": []}
    words = report.in_words("observed", far, "MeV")
    assert "within 120 MeV of ours, 90 % within 5400 MeV, all within 1600000" in words
    nothing = dict.fromkeys(found) | {"covered": 1.0, "disagreements": []}
    words = report.in_words("expected", nothing, "GeV")
    assert words.startswith("There is no expected contour of ours")
    assert words.endswith("On its other side: no signal point.")


def test_the_words_say_which_part_of_the_published_contour_was_compared() -> None:
    found = {"median": 3.3, "p90": 20.1, "max": 57.7, "overlap": 0.98, "disagreements": []}
    words = report.in_words("observed", found | {"covered": 0.58215}, "GeV")
    assert words.startswith(
        "Of the 58 % of the published observed contour that lies among the points, half lies "
        "within 3.3 GeV of ours, 90 % within 20 GeV, all within 58 GeV."
    )
    assert report.in_words("observed", found | {"covered": 0.9951}, "GeV").startswith("Half of the")
    words = report.in_words("observed", found | {"covered": 0.72}, "", "an axis is logarithmic")
    assert "Of the published observed contour, 72 % lies among the points." in words


def test_the_quality_of_fits_is_that_of_the_worst_and_counts_the_failed() -> None:
    hard = ROW | {"name": "b", "edm": 4e-10, "starts": 3, "iterations": 31, "CLs_obs": 0.01}
    found = report.quality([ROW, hard, FAILED], [0.025, 0.02, 0.13])
    assert found == {
        "Status": "2 points done, 1 failed",
        "Excluded": "1 points observed, 0 expected",
        "Largest EDM": "4e-10",
        "Starts": "one at 1 points, more at 1",
        "Newton iterations": "20.5 a point (median), all of its fits together",
        "Time per point": "0.025 s of CPU (median), 0.13 s at most",
    }
    slow = report.quality([ROW], [123.0])["Time per point"]
    assert slow == "120 s of CPU (median), 120 s at most"
    assert list(report.quality([FAILED], [])) == ["Status", "Excluded"]


def test_a_failed_point_is_shown_as_failed_with_its_reason() -> None:
    page = Page(page_of([ROW, FAILED | {"name": "b", "reason": "no minimum"}]))
    kinds = [attrs["class"] for attrs, _ in page.found["tr"] if "class" in attrs]
    assert kinds == ["allowed", "failed"]
    assert "no minimum" in page.texts("td")


def test_where_there_is_no_figure_the_page_says_what_one_takes_of_either_kind() -> None:
    assert (
        "There is no figure: it takes three points, not on a line, or two along a single axis."
    ) in Page(page_of([ROW])).texts("p")


def test_what_a_file_holds_cannot_become_part_of_the_page() -> None:
    name = '<script>alert("x")</script>'
    text = page_of([ROW | {"name": name}])
    assert name not in text
    assert "&lt;script&gt;alert" in text


def test_titles_are_typeset_and_what_is_no_tex_is_shown_as_written() -> None:
    typeset = pages.tex(r"$m(\tilde\chi_1^\pm)$ < 5 GeV")
    assert typeset.startswith("<math")
    assert "χ" in typeset
    assert typeset.endswith("</math> &lt; 5 GeV")
    assert pages.tex("$^$ <") == "^ &lt;"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"costs \$6 & \$7", "costs $6 &amp; $7"),
        (r"\$5, $7", "$5, $7"),
        ("$x$ and $y", "$x$ and $y"),
        (r"\$5 $^$ \$6", "$5 ^ $6"),
    ],
)
def test_dollar_signs_are_those_of_the_figures(text: str, shown: str) -> None:
    assert pages.tex(text) == shown


def test_titles_of_the_pages_are_typeset_too(points: Points) -> None:
    found = contour.contours(points, AXES, None)
    title = r"A search for $\tilde t$"
    for text in (
        report.page(title, [], [], [ROW], [], PROVENANCE),
        interactive.page(found, points, rows_of(points), {}, {}, title, []),
    ):
        assert f"<h1>{pages.tex(title)}</h1>" in text
        assert "<h1>A search for <math" in text


def test_every_rule_is_named_in_the_snakefile_and_on_the_page_if_part_of_every_run() -> None:
    rules = "".join(path.read_text("utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    targets = {"report", "upper_limits", "exports"}
    defined = set(re.findall(r"^rule (\w+):", rules, re.MULTILINE)) - targets
    head = (ROOT / "workflow/Snakefile").read_text("utf-8")
    listed = re.findall(r"^#   (\S.*?)  +(.*)$", head, re.MULTILINE)
    named = [(name, "on request" in what) for names, what in listed for name in names.split(", ")]
    found = {rule for rule in defined if any(fnmatch(rule, name) for name, _ in named)}
    assert found == defined
    of_every_run = [name for name, on_request in named if not on_request]
    assert of_every_run == [name for names, _ in report.STEPS for name in names.split(", ")]


@pytest.fixture
def points() -> Points:
    """A grid whose significance falls along x; the fit of one point failed."""
    x, y = (
        axis.ravel() for axis in np.meshgrid(np.arange(100.0, 701, 100), np.arange(0.0, 301, 100))
    )
    shift = dict(zip(COLUMNS, (0.0, 0.2, 0.8, -0.6, 1.4, -1.2), strict=True))
    cls = {curve: ndtr(-1.645 - (450 - x) / 100 - shift[curve]) for curve in COLUMNS}
    for values in cls.values():
        values[3] = np.nan
    return Points(tuple(f"p{i}" for i in range(len(x))), x, y, cls)


def rows_of(points: Points) -> dict[str, dict[str, Any]]:
    rows = {name: ROW | {"name": name} for name in points.names}
    return rows | {"p3": FAILED | {"name": "p3", "reason": "no minimum"}}


def drawn(text: str) -> list[dict[str, Any]]:
    """The objects of Bokeh's on a page."""
    (item,) = re.findall(r"^const plot = (.*);$", text, re.MULTILINE)
    found: list[dict[str, Any]] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.append(value)
            value = list(value.values())
        if isinstance(value, list):
            for entry in value:
                walk(entry)

    walk(json.loads(item))
    return found


def legend(objects: list[dict[str, Any]]) -> list[str]:
    items = [entry for entry in objects if entry.get("name") == "LegendItem"]
    return [entry["attributes"]["label"]["value"] for entry in items]


def test_the_interactive_figure_names_every_curve_and_kind_of_point(points: Points) -> None:
    found = contour.contours(points, AXES, (1, -1, -210))
    published = {"observed": [np.array([[450.0, 0.0], [450.0, 300.0]])]}
    text = interactive.page(found, points, rows_of(points), {}, published, "A search", [])
    assert needs_nothing_else(text)
    assert legend(drawn(text)) == [
        "Observed",
        "Expected",
        "Expected ±1σ",
        "Published observed",
        "Kinematically forbidden",
        "Signal excluded",
        "Signal not excluded",
        "Fit failed",
    ]
    assert "Bokeh" in text
    assert "<mi>χ</mi>" in text  # the title of the axis, typeset


def test_the_pointer_on_a_point_is_told_its_name_values_cls_limits_and_status(
    points: Points,
) -> None:
    found = contour.contours(points, AXES, None)
    limits = {"p0": dict.fromkeys(interactive.ON_MU, 1.5) | {"mu_exp_p2": None}}
    said = dict(interactive.about(ROW | {"name": "p0", "region": "A"}, limits["p0"]))
    assert said == {
        "point": "p0",
        "m1": "500",
        "region": "A",
        "CLs observed": "0.25",
        "CLs expected": "0.25",
        "CLs ±1σ": "0.25 to 0.25",
        "CLs ±2σ": "0.25 to 0.25",
        "limit on μ observed": "1.5",
        "limit on μ expected": "1.5",
        "limit on μ ±1σ": "1.5 to 1.5",
        "limit on μ ±2σ": "1.5 to none",
        "status": "ok",
    }
    text = interactive.page(found, points, rows_of(points), {}, {}, "A search", [])
    assert "failed: no minimum" in text
    (hover,) = (entry for entry in drawn(text) if entry.get("name") == "HoverTool")
    assert [name for name, _ in hover["attributes"]["tooltips"]][:3] == [
        "point",
        "m1",
        "CLs observed",
    ]


def test_labels_may_have_the_names_of_what_else_is_told_of_a_point(points: Points) -> None:
    found = contour.contours(points, AXES, None)
    own = {"x": 7, "y": 8, "point": 9}
    rows = {name: row | own for name, row in rows_of(points).items()}
    objects = drawn(interactive.page(found, points, rows, {}, {}, "A search", []))
    tables = [dict(entry["entries"]) for entry in objects if "_0" in str(entry.get("entries"))]
    (failed_only,) = (table for table in tables if table["_0"] == ["p3"])
    place = [failed_only[axis]["array"]["data"] for axis in ("x", "y")]
    place = [np.frombuffer(gzip.decompress(base64.b64decode(data))).tolist() for data in place]
    assert place == [[points.x[3]], [points.y[3]]]
    (hover,) = (entry for entry in objects if entry.get("name") == "HoverTool")
    told = [(name, failed_only[at[1:]]) for name, at in hover["attributes"]["tooltips"]]
    assert told[:2] == [("point", ["p3"]), ("m1", ["500"])]
    assert told[2:5] == [("x", ["7"]), ("y", ["8"]), ("point", ["9"])]


def test_limits_of_some_points_only_are_not_told(points: Points) -> None:
    found = contour.contours(points, AXES, None)
    limits = {"p0": dict.fromkeys(interactive.ON_MU, 1.5)}
    text = interactive.page(found, points, rows_of(points), limits, {}, "A search", [])
    assert "failed: no minimum" in text and "limit on" not in text


def test_logarithmic_axes_stay_logarithmic(points: Points) -> None:
    axes = AXES | {"x": AXES["x"] | {"scale": "log"}}
    found = contour.contours(points, axes, None)
    objects = drawn(interactive.page(found, points, rows_of(points), {}, {}, "A search", []))
    assert sum(entry.get("name") == "LogScale" for entry in objects) == 1


def test_along_a_single_axis_cls_is_drawn_with_its_bands(points: Points) -> None:
    cls = {curve: values[:7] for curve, values in points.cls.items()}
    cls |= dict.fromkeys(VARIED_CURVES, cls["observed"])
    line = Points(points.names[:7], points.x[:7], None, cls)
    found = crossings.crossings(line, {"x": AXES["x"]})
    objects = drawn(interactive.page(found, line, rows_of(line), {}, {}, "A search", []))
    names = {"Observed", "±1σ theory", "Expected ±1σ", "Expected ±2σ", "CLs = 0.05"}
    assert names <= {*legend(objects)}


def test_where_all_points_failed_the_interactive_figure_still_shows_them(points: Points) -> None:
    lost = {curve: np.full(len(cls), np.nan) for curve, cls in points.cls.items()}
    rows = {name: failed(Point(name, ()), (), "no fit") for name in points.names}
    for scan in (points._replace(cls=lost), points._replace(cls=lost, y=None)):
        axes = AXES if scan.y is not None else {"x": AXES["x"]}
        find = contour.contours if scan.y is not None else crossings.crossings
        page = interactive.page(find(scan, axes), scan, rows, {}, {}, "A search", [])
        assert "Fit failed" in legend(drawn(page))


def test_equal_results_make_equal_bytes_of_the_interactive_figure(
    finished_small: Path, tmp_path: Path
) -> None:
    results = finished_small / "results/small"
    files = {"cls": "cls.csv", "rows": "cls.json", "contours": "contours.json"}
    arguments = [part for name, file in files.items() for part in (f"--{name}", results / file)]
    for name in ("first", "second"):
        program = [sys.executable, ROOT / "workflow/scripts/interactive.py", *arguments]
        output = ["--title", "T", "--labels", "[]", "--output", tmp_path / name]
        subprocess.run([*program, *output], check=True, env={"PYTHONPATH": str(ROOT / "workflow")})
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_snakemakes_report_holds_all_results_with_their_captions(
    finished_small: Path, tmp_path: Path
) -> None:
    """Even of a run whose records are gone, as after somebody deleted `.snakemake`."""
    copy = Path(shutil.copytree(finished_small, tmp_path / "copy"))
    shutil.rmtree(copy / ".snakemake")
    in_tex = r"analyses={small: {title: 'A search for $\tilde{t}$'}}"
    run = snakemake(copy, "--config", in_tex, "--report", "report.zip")
    assert run.returncode == 0, run.stdout
    with zipfile.ZipFile(copy / "report.zip") as archive:
        files = {Path(name).name for name in archive.namelist()}
        text = archive.read("report/report.html").decode()
    results = ("exclusion.png", "comparison.json", "cls.csv", "report.html", "provenance.json")
    assert files == {*results}
    for caption in ("exclusion", "comparison", "points", "page", "provenance"):
        words = (ROOT / f"workflow/report/{caption}.rst").read_text("utf-8").split()[:8]
        assert " ".join(words) in text, caption
    assert r"A search for $\\tildet$" in text


@pytest.mark.parametrize(
    "text", [r"m(\tilde\chi^0_1) < 5", r"\sqrt{s} = 13\,\mathrm{TeV}", "a > b"]
)
def test_a_formula_is_that_of_latex2mathml(text: str) -> None:
    made = ElementTree.canonicalize(pages.tex(f"${text}$"))
    assert made == ElementTree.canonicalize(convert(text))


def test_text_in_a_formula_is_text() -> None:
    made = pages.tex(r"$\text{<script>a<b</script>}$")
    assert "<mtext>&lt;script&gt;a&lt;b&lt;/script&gt;</mtext>" in made
