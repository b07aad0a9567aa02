"""The configuration: defaults, friendly errors, and a manual that keeps in step with the schema."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from recontour import archive, config, fetch
from recontour.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shipped() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


def refusal(settings: dict[str, Any]) -> str:
    with pytest.raises(UserError) as error:
        config.complete(settings)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_the_shipped_config_is_valid_and_makes_1lbb(shipped: dict[str, Any]) -> None:
    config.complete(shipped)
    assert shipped["run"] == ["1Lbb"]


def test_defaults_are_filled_in_at_every_level(shipped: dict[str, Any]) -> None:
    del shipped["run"], shipped["analyses"]["1Lbb"]["axes"]["x"]["unit"]
    config.complete(shipped)
    assert shipped["run"] == ["1Lbb"]
    assert shipped["points_per_job"] == 0
    assert shipped["analyses"]["1Lbb"]["select"] == "all"
    assert shipped["analyses"]["1Lbb"]["axes"]["x"]["unit"] == "GeV"


def test_defaults_are_those_of_programs_without_a_config(shipped: dict[str, Any]) -> None:
    config.complete(shipped)
    assert fetch.from_config(shipped["network"]) == (fetch.HEPDATA, fetch.PATIENCE)
    assert archive.ArchiveLimits(**shipped["archive_limits"]) == archive.ArchiveLimits()


def test_defaults_are_not_shared_between_analyses(shipped: dict[str, Any]) -> None:
    shipped["analyses"]["other"] = copy.deepcopy(shipped["analyses"]["1Lbb"])
    for analysis in shipped["analyses"].values():
        analysis.pop("tolerance", None)
    config.complete(shipped)
    shipped["analyses"]["other"]["tolerance"]["median"] = 7
    assert shipped["analyses"]["1Lbb"]["tolerance"]["median"] == 3.5


def test_an_unknown_key_is_named_with_the_nearest_and_all_valid_ones(
    shipped: dict[str, Any],
) -> None:
    shipped["points_per_jobs"] = 3
    message = refusal(shipped)
    assert '"points_per_jobs" is unknown; did you mean "points_per_job"?' in message
    assert "tolerate_failed_points" in message


def test_an_unknown_key_of_an_analysis_is_named_with_its_place(shipped: dict[str, Any]) -> None:
    shipped["analyses"]["1Lbb"]["tolerance"]["medain"] = 3
    message = refusal(shipped)
    assert "analyses/1Lbb/tolerance" in message
    assert 'did you mean "median"?' in message


def test_a_misspelt_required_key_is_reported_as_misspelt(shipped: dict[str, Any]) -> None:
    analysis = shipped["analyses"]["1Lbb"]
    analysis["point"] = analysis.pop("points")
    assert 'did you mean "points"?' in refusal(shipped)


def test_an_unknown_analysis_is_named_with_the_valid_ones(shipped: dict[str, Any]) -> None:
    shipped["run"] = ["1lbb"]
    assert 'analysis "1lbb" is unknown; did you mean "1Lbb"?' in refusal(shipped)


def test_a_run_of_no_analysis_is_refused(shipped: dict[str, Any]) -> None:
    for nothing in ([], ""):
        settings = copy.deepcopy(shipped) | {"run": nothing}
        expected = "config key run: found no analysis; name one or more of 1Lbb, sbottom, demo"
        assert refusal(settings) == expected


def test_one_text_is_taken_for_the_list_of_it(shipped: dict[str, Any]) -> None:
    unknown = copy.deepcopy(shipped) | {"run": "dmeo"}
    assert 'analysis "dmeo" is unknown; did you mean "demo"?' in refusal(unknown)
    shipped["run"] = "demo"
    shipped["network"] = {"allowed_hosts": "example.org"}
    shipped["analyses"]["demo"]["labels"] = "one line"
    config.complete(shipped)
    assert shipped["run"] == ["demo"]
    assert shipped["network"]["allowed_hosts"] == ["example.org"]
    assert shipped["analyses"]["demo"]["labels"] == ["one line"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("points_per_job", -1, "less than the minimum of 0"),
        ("points_per_job", "many", "not of type 'integer'"),
        ("mirror", 3, "not of type 'string'"),
        ("run", 3, "not of type 'array'"),
    ],
)
def test_a_wrong_value_is_shown_with_what_the_key_means(
    shipped: dict[str, Any], key: str, value: object, expected: str
) -> None:
    shipped[key] = value
    message = refusal(shipped)
    assert f"config key {key}" in message
    assert expected in message
    described = config.schema()["properties"][key]["description"]
    assert " ".join(described.split()) in message


def test_numbers_within_a_key_may_come_as_texts_as_from_the_command_line(
    shipped: dict[str, Any],
) -> None:
    shipped["network"] = {"attempts": "2", "timeout": "1.5", "allow_http": "true"}
    config.complete(shipped)
    found = shipped["network"]
    assert (found["attempts"], found["timeout"], found["allow_http"]) == (2, 1.5, True)
    assert found["doi"] == "https://doi.org"


def test_whole_numbers_may_come_with_a_decimal_point(shipped: dict[str, Any]) -> None:
    broken = copy.deepcopy(shipped) | {"points_per_job": 2.5}
    assert "2.5 is not of type 'integer'" in refusal(broken)
    shipped |= {"points_per_job": 1e2, "tolerate_failed_points": "2.0"}
    likelihood = shipped["analyses"]["1Lbb"]["likelihood"] | {"size": 2616683.0}
    shipped["analyses"]["1Lbb"]["likelihood"] = likelihood
    config.complete(shipped)
    found = [shipped[key] for key in ("points_per_job", "tolerate_failed_points")]
    assert repr([*found, likelihood["size"]]) == "[100, 2, 2616683]"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), ".nan", ".inf"])
@pytest.mark.parametrize(
    ("key", "inner"), [("network", "timeout"), ("archive_limits", "ratio"), ("tolerance", "median")]
)
def test_a_number_that_is_not_finite_is_refused_with_its_key(
    shipped: dict[str, Any], key: str, inner: str, number: object
) -> None:
    place = shipped["analyses"]["1Lbb"] if key == "tolerance" else shipped
    place[key] = {inner: number}
    assert re.search(f"{key}/{inner}: found .*(nan|inf); expected a finite", refusal(shipped))


def test_a_point_is_not_selected_by_a_value_that_is_not_finite(shipped: dict[str, Any]) -> None:
    shipped["select"] = [[900, float("nan")]]
    assert "config key select/0/1: found nan" in refusal(shipped)


def test_a_line_break_after_a_checksum_does_not_count(shipped: dict[str, Any]) -> None:
    likelihood = shipped["analyses"]["1Lbb"]["likelihood"]
    sha256, likelihood["sha256"] = likelihood["sha256"], likelihood["sha256"] + "\n"
    config.complete(shipped)
    assert likelihood["sha256"] == sha256


def test_a_text_that_is_no_number_is_shown(shipped: dict[str, Any]) -> None:
    shipped["network"] = {"attempts": "["}
    assert "config key network/attempts: '[' is not of type 'integer'" in refusal(shipped)


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("points", {"points": "no/file"}),
        ("cross_sections", {"cross_sections": "no/file"}),
        ("signal/yields", {"background_of": "1Lbb", "signal": {"yields": "no/file"}}),
        ("signal/patchset", {"background_of": "1Lbb", "signal": {"patchset": "no/file"}}),
        (
            "signal/patches",
            {
                "background_of": "1Lbb",
                "signal": {"patches": "no/file", "table": "config/points/demo.csv"},
            },
        ),
    ],
)
def test_a_file_that_is_not_there_is_told_with_its_key(
    shipped: dict[str, Any], key: str, entry: dict[str, Any]
) -> None:
    own = {} if "signal" in entry else shipped["analyses"]["demo"]
    shipped["analyses"]["mine"] = own | entry
    config.complete(shipped)
    with pytest.raises(UserError, match=f"^config key analyses/mine/{key}: found neither no/file "):
        config.cross_sections(shipped, ROOT, config.scans(shipped, ROOT))


def test_a_key_that_stands_twice_is_told_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("run: [a]\nanalyses:\n  a: {title: x}\n  b: {labels: [c, c]}\n  a: {}\n")
    with pytest.raises(UserError, match=r"line 5: the config key analyses/a stands in line 3, too"):
        config.check_keys(path)
    path.write_text('{"run": [], "run": ["a"]}')
    with pytest.raises(UserError, match=r"line 1: the config key run stands in line 1, too"):
        config.check_keys(path)
    for other in ("{}", "", '{\n\t"run": []\n}'):  # JSON may be indented by tabs
        path.write_text(other)
        config.check_keys(path)
    config.check_keys(ROOT / "config/config.yaml")


def test_a_name_that_is_a_number_is_to_be_quoted(shipped: dict[str, Any]) -> None:
    shipped["analyses"][2023] = copy.deepcopy(shipped["analyses"]["1Lbb"])
    assert 'found the key 2023, which is no text in YAML; quote it: "2023"' in refusal(shipped)


def test_all_points_are_computed_whatever_an_analysis_selects_itself(
    shipped: dict[str, Any],
) -> None:
    config.complete(shipped)
    everything = config.scans(shipped, ROOT)["1Lbb"].points
    shipped["analyses"]["1Lbb"]["select"] = [[900, 250]]
    assert len(config.scans(shipped, ROOT)["1Lbb"].points) == 1
    assert config.scans(shipped | {"select": "all"}, ROOT)["1Lbb"].points == everything


def test_an_empty_selection_leaves_what_each_analysis_selects(shipped: dict[str, Any]) -> None:
    shipped["select"] = ""
    shipped["analyses"]["1Lbb"]["select"] = [[900, 250]]
    config.complete(shipped)
    assert len(config.scans(shipped, ROOT)["1Lbb"].points) == 1


def test_points_selected_are_told_with_the_key_that_selects_them(shipped: dict[str, Any]) -> None:
    config.complete(shipped)
    shipped["analyses"]["1Lbb"]["select"] = ["nothing"]
    with pytest.raises(UserError, match=r"^config key analyses/1Lbb/select: nothing is not a poi"):
        config.scans(shipped, ROOT)


def test_a_key_without_a_value_is_as_if_it_were_not_there(shipped: dict[str, Any]) -> None:
    shipped |= {"mirror": None, "run": None, "points_per_job": None}
    entry = shipped["analyses"]["1Lbb"]
    entry |= dict.fromkeys(("boundary", "cross_sections", "labels", "tolerance", "planes"))
    entry["axes"]["x"]["scale"] = entry["published"]["expected"] = None
    config.complete(shipped)
    assert (shipped["mirror"], entry["boundary"], entry["cross_sections"]) == ("", "", "")
    assert (entry["labels"], entry["planes"], entry["axes"]["x"]["scale"]) == ([], {}, "linear")
    assert (shipped["run"], entry["tolerance"]["p90"]) == (["1Lbb"], 10)


def test_an_analysis_without_content_or_with_the_name_of_a_rule_is_refused(
    shipped: dict[str, Any],
) -> None:
    empty = copy.deepcopy(shipped)
    empty["analyses"]["mine"] = None
    assert "analyses/mine" in refusal(empty)
    shipped["analyses"]["report"] = shipped["analyses"]["1Lbb"]
    expected = 'analyses: found the name "report", .*none of the workflow\'s rules .*choose another'
    assert re.search(expected, refusal(shipped))


def test_a_plane_without_content_is_refused_also_where_another_analysis_takes_it_over(
    shipped: dict[str, Any],
) -> None:
    shipped["analyses"]["sbottom"]["planes"]["m60"] = None
    shipped["analyses"]["mine"] = {"background_of": "sbottom", "signal": {"yields": "mine.csv"}}
    expected = "config key analyses/mine/planes/m60: None is not of type 'object'"
    assert refusal(shipped).startswith(expected)


def test_a_name_that_no_folder_can_have_is_refused(shipped: dict[str, Any]) -> None:
    slash = copy.deepcopy(shipped)
    slash["analyses"]["5x/y"] = slash["analyses"].pop("1Lbb")
    assert 'analyses: found the name "5x/y"; expected a name of letters' in refusal(slash)
    with pytest.raises(UserError, match=r'found the name "mine\\n"; expected a name of letters'):
        config.check_name("mine\n")
    planes = shipped["analyses"]["sbottom"]["planes"]
    planes["logs"] = planes.pop("m60")
    assert 'planes: found the name "logs", which the workflow needs' in refusal(shipped)


def test_no_analysis_can_take_the_name_of_a_rule() -> None:
    rules = {"default"}
    for file in (ROOT / "Snakefile", *(ROOT / "workflow").glob("**/*")):
        if file.name == "Snakefile" or file.suffix == ".smk":
            rules |= set(re.findall(r"^rule (\w+):", file.read_text(encoding="utf-8"), re.M))
    reserved = config.schema()["properties"]["analyses"]["propertyNames"]["not"]["enum"]
    assert sorted(reserved) == sorted(rules)


def test_control_characters_in_a_key_do_not_reach_the_terminal(shipped: dict[str, Any]) -> None:
    shipped["\x1b[2Jrun"] = []
    assert "\x1b" not in refusal(shipped)


def test_the_mirror_of_an_analysis_goes_before_the_general_one_and_the_environment(
    shipped: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, general, environment = (tmp_path / name for name in ("own", "general", "environment"))
    for folder in (own, general, environment):
        folder.mkdir()
    config.complete(shipped)
    monkeypatch.delenv("HEPDATA_MIRROR", raising=False)
    assert config.mirror(shipped, "1Lbb", ROOT) == ""
    monkeypatch.setenv("HEPDATA_MIRROR", str(environment))
    assert config.mirror(shipped, "1Lbb", ROOT) == str(environment)
    shipped["mirror"] = str(general)
    assert config.mirror(shipped, "1Lbb", ROOT) == str(general)
    shipped["analyses"]["1Lbb"]["mirror"] = str(own)
    assert config.mirror(shipped, "1Lbb", ROOT) == str(own)


def test_a_mirror_that_is_no_folder_is_an_error_that_says_who_named_it(
    shipped: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.complete(shipped)
    monkeypatch.setenv("HEPDATA_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"environment variable HEPDATA_MIRROR.*nowhere"):
        config.mirror(shipped, "1Lbb", ROOT)


def test_points_are_selected_by_name_and_by_values(shipped: dict[str, Any]) -> None:
    shipped["analyses"]["1Lbb"]["select"] = ["C1N2_Wh_hbb_900_250", [650, 0]]
    config.complete(shipped)
    points = config.scans(shipped, ROOT)["1Lbb"].points
    assert [point.values for point in points] == [(650, 0), (900, 250)]


@pytest.mark.parametrize(
    "wanted",
    ["(900, 250)", "C1N2_Wh_hbb_900_250", ["(900, 250)"], [[900, 250]], [900, 250]],
)
def test_the_general_selection_takes_a_point_in_any_notation(
    shipped: dict[str, Any], wanted: object
) -> None:
    shipped["select"] = wanted
    config.complete(shipped)
    points = config.scans(shipped, ROOT)["1Lbb"].points
    assert [point.name for point in points] == ["C1N2_Wh_hbb_900_250"]


def test_the_general_selection_leaves_analyses_alone_that_hold_none_of_it(
    shipped: dict[str, Any], tmp_path: Path
) -> None:
    table = tmp_path / "other.csv"
    table.write_text("name,m1,m2\na,1,2\nb,3,4\n", encoding="utf-8")
    shipped["analyses"]["other"] = shipped["analyses"]["1Lbb"] | {"points": str(table)}
    shipped["select"] = [[3, 4]]
    config.complete(shipped)
    scans = config.scans(shipped, ROOT)
    assert len(scans["1Lbb"].points) == 125
    assert [point.name for point in scans["other"].points] == ["b"]


def test_a_selected_point_that_no_analysis_holds_is_refused_with_the_nearest(
    shipped: dict[str, Any],
) -> None:
    shipped["select"] = ["(905, 250)"]
    config.complete(shipped)
    with pytest.raises(UserError, match="C1N2_Wh_hbb_900_250"):
        config.scans(shipped, ROOT)


@pytest.mark.parametrize("wanted", ["(900", "900, 250)", "[(900, 250)", ["(900, 250"]])
def test_a_slip_of_quotes_in_a_selection_is_told(shipped: dict[str, Any], wanted: object) -> None:
    shipped["select"] = wanted
    config.complete(shipped)
    with pytest.raises(UserError, match=r"select: .* has a bracket without its partner; quote"):
        config.scans(shipped, ROOT)


@pytest.mark.parametrize("blocked", ["results", "results/1Lbb"])
def test_a_file_where_the_results_folder_should_be_is_reported(
    tmp_path: Path, blocked: str
) -> None:
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="is no folder"):
        config.check_results_folder(tmp_path / "results" / "1Lbb")


PLACEHOLDERS = {
    "analyses": "<analysis>",
    "axes": "<x or y>",
    "planes": "<plane>",
    "published": "<curve>",
    "regions": "<region>",
}


def reference(rules: dict[str, Any], path: str = "", listed: tuple[int, ...] = ()) -> Iterator[str]:
    """The rows of the manual's table: each key's description, default and an example. Keys that are
    already `listed` of the level above, and mean the same again, are left out."""
    here = (*listed, *map(id, rules.get("properties", {}).values()))
    for key, rule in rules.get("properties", {}).items():
        if id(rule) in listed:
            continue
        place = f"{path}.{key}".lstrip(".")
        nested = rule.get("properties") or isinstance(rule.get("additionalProperties"), dict)
        default = "must be given"
        if key not in rules.get("required", []):
            default = "" if nested else f"`{json.dumps(rule['default'], ensure_ascii=False)}`"
        example = rule.get("examples", [""])[0]
        if example != "":
            example = f"`{yaml.safe_dump(example, default_flow_style=True, width=1000).strip()}`"
            example = example.replace("\n...", "")
        yield f"| `{place}` | {' '.join(rule['description'].split())} | {default} | {example} |"
        yield from reference(rule, place, here)
        if isinstance(rule.get("additionalProperties"), dict):
            within = f"{place}.{PLACEHOLDERS[key]}"
            yield from reference(rule["additionalProperties"], within, here)


def test_the_manual_lists_every_key_as_the_schema_describes_it() -> None:
    manual = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    table = [line for line in manual.splitlines() if line.startswith("| `")]
    assert table == list(reference(config.schema()))


def test_every_key_that_takes_a_value_has_an_example() -> None:
    def leaves(rules: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for rule in [*rules.get("properties", {}).values(), rules.get("additionalProperties")]:
            if isinstance(rule, dict):
                yield from leaves(rule)
                if rule.get("type") != "object":
                    yield rule

    assert [rule["description"] for rule in leaves(config.schema()) if "examples" not in rule] == []


def test_the_examples_of_the_schema_are_valid() -> None:
    def examples(rules: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
        yield from ((example, rules) for example in rules.get("examples", []))
        for rule in [*rules.get("properties", {}).values(), rules.get("additionalProperties")]:
            if isinstance(rule, dict):
                yield from examples(rule)

    checked = [
        config.Draft202012Validator(rule).validate(example)
        for example, rule in examples(config.schema())
    ]
    assert len(checked) > 15
