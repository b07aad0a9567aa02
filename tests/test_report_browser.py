"""The reports of a whole run of the demo, opened in a real browser."""

from __future__ import annotations

import resource
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, errors, requested
from recontour.files import read_json
from running import snakemake

pytestmark = pytest.mark.long

IMAGES_SHOWN = """return [...document.images].map(i => i.complete && i.naturalWidth > 0)"""
COLUMN = """return [...document.querySelectorAll("#points tbody tr")].filter(row => !row.hidden)
    .map(row => row.cells[arguments[0]].textContent)"""
TEXTS = """const found = [];
(function walk(node) {
    if (["SCRIPT", "STYLE"].includes(node.nodeName)) return;
    if (node.nodeType === Node.TEXT_NODE) found.push(node);
    if (node.shadowRoot) walk(node.shadowRoot);
    node.childNodes.forEach(walk);
})(document.body);
"""
"""Collects the texts of a page with those that Bokeh shows."""
ENTRY = (
    TEXTS
    + """const text = found.find(node => node.data.trim() === arguments[0]);
const {x, y, width, height} = text.parentElement.getBoundingClientRect();
return [x + width / 2, y + height / 2]"""
)
ALL_TEXT = TEXTS + "return found.map(node => node.data).join(' ');"
VISIBLE = """return Bokeh.documents[0].get_model_by_name("legend").items
    .filter(item => item.label.value === arguments[0]).map(item => item.renderers[0].visible)"""
PLACE = """const view = Bokeh.index.roots[0], box = view.el.getBoundingClientRect();
const {x_scale, y_scale} = view.frame;
return [box.x + x_scale.compute(arguments[0]), box.y + y_scale.compute(arguments[1])]"""


@pytest.fixture(scope="module")
def demo(finished_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with what the target `report` makes of the demo, and Snakemake's report unpacked."""
    folder = Path(shutil.copytree(finished_demo, tmp_path_factory.mktemp("report") / "demo"))
    chosen = ["--config", "run=[demo]"]
    run = snakemake(folder, "report", *chosen, project=folder)
    assert run.returncode == 0, run.stdout
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = snakemake(folder, "report", *chosen, "--report", "report.zip", project=folder)
    assert run.returncode == 0, run.stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 20
    with zipfile.ZipFile(folder / "report.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    with chromium(tmp_path / "profile") as browser:
        yield browser


def no_complaints(browser: Any) -> None:
    assert errors(browser) == []
    assert requested(browser) == []


def rest_on(browser: Any, x: float, y: float, click: bool = False) -> None:
    from selenium.webdriver import ActionChains

    action = ActionChains(browser)
    action.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    (action.click() if click else action).pause(0.5).perform()


def test_reports_are_small(demo: Path) -> None:
    for report in ("report.zip", "results/demo/report.html", "results/demo/exclusion.html"):
        assert (demo / report).stat().st_size < 5e6


def test_the_page_opens_without_error_and_shows_its_figure(demo: Path, browser: Any) -> None:
    browser.get((demo / "results/demo/report.html").as_uri())
    assert browser.execute_script(IMAGES_SHOWN) == [True]
    no_complaints(browser)


def test_the_table_of_points_is_sorted_by_numbers_and_searched(demo: Path, browser: Any) -> None:
    browser.get((demo / "results/demo/report.html").as_uri())
    rows = read_json(demo / "results/demo/cls.json")
    column = list(rows[0]).index("CLs_obs")
    heading = browser.find_elements("css selector", "#points th button")[column]
    in_order = sorted(float(f"{row['CLs_obs']:.4g}") for row in rows)
    for expected in (in_order, in_order[::-1]):
        heading.click()
        assert list(map(float, browser.execute_script(COLUMN, column))) == expected
    browser.find_element("id", "search").send_keys("_450_ OK")
    found = browser.execute_script(COLUMN, 0)
    assert sorted(found) == sorted(row["name"] for row in rows if "_450_" in row["name"]) != []
    shown = browser.find_element("id", "shown").text
    assert shown == f"{len(found)} of {len(rows)} points"
    no_complaints(browser)


def test_the_interactive_figure_tells_of_a_point_and_hides_a_curve(
    demo: Path, browser: Any
) -> None:
    browser.get((demo / "results/demo/exclusion.html").as_uri())
    row = next(row for row in read_json(demo / "results/demo/cls.json") if row["m1"] == 450)
    assert row["name"] not in browser.execute_script(ALL_TEXT)
    rest_on(browser, *browser.execute_script(PLACE, row["m1"], row["m2"]))
    told = browser.execute_script(ALL_TEXT)
    assert row["name"] in told
    assert f"{row['CLs_obs']:.4g}" in told
    assert browser.execute_script(VISIBLE, "Published observed") == [True]
    rest_on(browser, *browser.execute_script(ENTRY, "Published observed"), click=True)
    assert browser.execute_script(VISIBLE, "Published observed") == [False]
    assert browser.execute_script(VISIBLE, "Observed") == [True]
    no_complaints(browser)


def test_snakemakes_report_opens_without_error_and_shows_each_result(
    demo: Path, browser: Any
) -> None:
    browser.implicitly_wait(10)
    browser.get((demo / "report/report.html").as_uri())
    browser.find_element("xpath", "//a[normalize-space()='Results']").click()

    def show(result: str) -> None:
        row = browser.find_element("xpath", f"//tr[td[text()='{result}']]")
        row.find_element("css selector", "a[iconname=eye]").click()

    show("Exclusion")
    browser.find_element("css selector", "img[src*='exclusion.png']")
    assert all(browser.execute_script(IMAGES_SHOWN))
    for result, file in {"Exclusion, interactive": "exclusion", "Report page": "report"}.items():
        show(result)
        frame = browser.find_element("css selector", f"iframe[src$='{file}.html']")
        browser.switch_to.frame(frame)
        assert browser.find_element("tag name", "h1").text == "Synthetic demonstration search"
        assert all(browser.execute_script(IMAGES_SHOWN))
        browser.switch_to.default_content()
    no_complaints(browser)
