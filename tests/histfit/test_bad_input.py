"""What is not a workspace is refused by name; nothing else than an error or finite numbers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import histfit
import numpy as np
import pytest
from models import (
    LUMI,
    Spec,
    counting,
    histosys,
    lumi,
    normfactor,
    normsys,
    random_workspace,
    sample,
    shapefactor,
    shapesys,
    staterror,
    workspace,
)


def valid() -> Spec:
    return workspace(
        {
            "CR": [sample("bkg", [50.0], normfactor("k"), normsys("a", 0.9, 1.1))],
            "SR": [
                sample(
                    "bkg",
                    [5.0, 9.0],
                    normfactor("k"),
                    histosys("a", [4.0, 8.0], [6.0, 10.0]),
                    staterror("g", [0.5, 0.6]),
                    shapesys("h", [1.0, 1.0]),
                    lumi(),
                ),
                sample("sig", [2.0, 1.0], normfactor("mu")),
            ],
        },
        {"CR": [48.0], "SR": [7.0, 8.0]},
        parameters=[LUMI],
    )


def background(spec: Spec) -> Spec:
    return spec["channels"][1]["samples"][0]


def modifier(spec: Spec, index: int) -> Spec:
    return background(spec)["modifiers"][index]


def configuration(spec: Spec) -> list[Spec]:
    return spec["measurements"][0]["config"]["parameters"]


FAULTS: dict[str, tuple[Callable[[Spec], Any], list[str]]] = {
    "missing observation": (lambda s: s["observations"].pop(), ["channel 'SR'", "no observation"]),
    "missing observations": (lambda s: s.pop("observations"), ["'observations'"]),
    "observation too long": (
        lambda s: s["observations"][1]["data"].append(3.0),
        ["observation 'SR'", "3 bins", "expected 2"],
    ),
    "observation twice": (
        lambda s: s["observations"].append(s["observations"][0]),
        ["two observations", "'CR'"],
    ),
    "negative count": (
        lambda s: s["observations"][0].update(data=[-1.0]),
        ["observation 'CR'", "-1"],
    ),
    "NaN count": (
        lambda s: s["observations"][0].update(data=[float("nan")]),
        ["observation 'CR'", "nan"],
    ),
    "samples of different length": (
        lambda s: s["channels"][1]["samples"][1].update(data=[1.0]),
        ["channel 'SR'", "sample 'sig'", "1 bins", "expected 2"],
    ),
    "staterror too short": (
        lambda s: modifier(s, 2).update(data=[0.5]),
        ["channel 'SR'", "sample 'bkg'", "modifier 'g'", "1 values"],
    ),
    "shapesys too long": (
        lambda s: modifier(s, 3).update(data=[0.5, 0.5, 0.5]),
        ["channel 'SR'", "sample 'bkg'", "modifier 'h'", "3 values"],
    ),
    "histosys too short": (
        lambda s: modifier(s, 1)["data"].update(lo_data=[4.0]),
        ["channel 'SR'", "sample 'bkg'", "modifier 'a'", "lo_data", "1 values"],
    ),
    "histosys without a side": (
        lambda s: modifier(s, 1)["data"].pop("hi_data"),
        ["channel 'SR'", "sample 'bkg'", "modifier 'a'", "'hi_data'"],
    ),
    "unknown modifier": (
        lambda s: modifier(s, 0).update(type="normfac"),
        ["channel 'SR'", "sample 'bkg'", "modifier 'k'", "'normfac'", "normfactor"],
    ),
    "modifier without a name": (lambda s: modifier(s, 0).pop("name"), ["'SR'", "'bkg'", "name"]),
    "modifier without data": (lambda s: modifier(s, 2).pop("data"), ["'SR'", "'bkg'", "'g'"]),
    "infinite yield": (
        lambda s: background(s).update(data=[5.0, float("inf")]),
        ["channel 'SR'", "sample 'bkg'", "inf"],
    ),
    "absurd yield": (
        lambda s: background(s).update(data=[5.0, 1e200]),
        ["'SR'", "'bkg'", "1e+200"],
    ),
    "NaN in a template": (
        lambda s: modifier(s, 1)["data"].update(hi_data=[6.0, float("nan")]),
        ["channel 'SR'", "sample 'bkg'", "modifier 'a'", "hi_data", "nan"],
    ),
    "text for a number": (lambda s: background(s).update(data=["5", "9"]), ["'SR'", "'bkg'"]),
    "truth for a number": (lambda s: background(s).update(data=[True, False]), ["'SR'", "'bkg'"]),
    "nested yields": (lambda s: background(s).update(data=[[5.0, 9.0]]), ["'SR'", "'bkg'"]),
    "ragged yields": (lambda s: background(s).update(data=[[5.0], 9.0]), ["'SR'", "'bkg'"]),
    "negative normsys": (
        lambda s: s["channels"][0]["samples"][0]["modifiers"][1]["data"].update(lo=-0.1),
        ["channel 'CR'", "sample 'bkg'", "modifier 'a'", "lo -0.1"],
    ),
    "name of two types": (
        lambda s: s["channels"][0]["samples"][0]["modifiers"].append(shapefactor("k")),
        ["modifier 'k'", "normfactor", "shapefactor"],
    ),
    "name of two constraints": (
        lambda s: s["channels"][0]["samples"][0]["modifiers"].append(normfactor("a")),
        ["channel 'CR'", "sample 'bkg'", "modifier 'a'", "normsys"],
    ),
    "shapesys shared": (
        lambda s: s["channels"][1]["samples"][1]["modifiers"].append(shapesys("h", [1.0, 1.0])),
        ["channel 'SR'", "sample 'sig'", "modifier 'h'"],
    ),
    "measured twice": (
        lambda s: s["measurements"].append(s["measurements"][0]),
        ["two measurements 'm'"],
    ),
    "modifier twice": (
        lambda s: background(s)["modifiers"].append(staterror("g", [1.0, 1.0])),
        ["channel 'SR'", "sample 'bkg'", "modifier 'g'", "twice"],
    ),
    "channel twice": (lambda s: s["channels"].append(s["channels"][0]), ["two channels 'CR'"]),
    "sample twice": (
        lambda s: s["channels"][1]["samples"].append(background(s)),
        ["channel 'SR'", "two samples 'bkg'"],
    ),
    "no samples": (lambda s: s["channels"][1]["samples"].clear(), ["channel 'SR'", "no samples"]),
    "no channels": (lambda s: s["channels"].clear(), ["no channels"]),
    "no measurement": (lambda s: s["measurements"].clear(), ["no measurement"]),
    "unknown key": (
        lambda s: configuration(s).append({"name": "k", "init": [1.0]}),
        ["parameter 'k'", "'init'"],
    ),
    "configured twice": (lambda s: configuration(s).append(LUMI), ["'lumi'", "two"]),
    "lumi without width": (lambda s: configuration(s).clear(), ["lumi", "auxdata"]),
    "too many inits": (
        lambda s: configuration(s).append({"name": "k", "inits": [1.0, 1.0]}),
        ["parameter 'k'", "inits", "(2,)"],
    ),
    "bounds upside down": (
        lambda s: configuration(s).append({"name": "k", "bounds": [[2.0, 1.0]]}),
        ["parameter 'k'", "bounds"],
    ),
    "sigmas of a free parameter": (
        lambda s: configuration(s).append({"name": "k", "sigmas": [1.0]}),
        ["parameter 'k'", "sigmas", "normfactor"],
    ),
    "width of 0": (
        lambda s: configuration(s).append({"name": "g", "sigmas": [0.1, 0.0]}),
        ["parameter 'g'", "sigmas"],
    ),
    "negative auxiliary count": (
        lambda s: configuration(s).append({"name": "h", "auxdata": [9.0, -1.0]}),
        ["parameter 'h'", "auxdata"],
    ),
    "fixed that is text": (
        lambda s: configuration(s).append({"name": "k", "fixed": "no"}),
        ["parameter 'k'", "fixed", "'no'"],
    ),
    "width beyond double precision": (
        lambda s: modifier(s, 3).update(data=[1.0, 1e-100]),
        ["parameter 'h[1]'", "narrow"],
    ),
    "POI of several bins": (
        lambda s: s["measurements"][0]["config"].update(poi="g"),
        ["POI 'g'", "several"],
    ),
    "POI that is no text": (lambda s: s["measurements"][0]["config"].update(poi=3), ["poi 3"]),
}


@pytest.mark.parametrize(("spoil", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_named(spoil: Callable[[Spec], Any], words: list[str]) -> None:
    spec = valid()
    histfit.compile_model(spec)
    spoil(spec)
    with pytest.raises(histfit.InvalidWorkspace) as caught:
        histfit.hypotest(spec)
    for word in words:
        assert word in str(caught.value)
    with pytest.raises(histfit.InvalidWorkspace):
        histfit.Background(spec)


def test_a_configuration_of_an_unknown_parameter_is_a_fault_of_the_model() -> None:
    spec = valid()
    configuration(spec).append({"name": "ghost", "inits": [1.0]})
    background = histfit.Background(spec)  # a signal might bring it
    for build in (histfit.hypotest, background.model):
        with pytest.raises(histfit.InvalidWorkspace, match=r"'ghost': .* no modifier has"):
            build(spec)


@pytest.mark.parametrize("spec", [None, [], "workspace", 3, {}, {"channels": 1}])
def test_other_things_are_no_workspace(spec: Any) -> None:
    with pytest.raises(histfit.InvalidWorkspace):
        histfit.hypotest(spec)


def test_a_configuration_of_the_absent_poi_or_lumi_is_no_fault() -> None:
    spec = counting(5.0, 50.0, 55.0, normsys("a", 0.9, 1.1))
    spec["channels"][0]["samples"].pop()
    configuration(spec).extend([LUMI, {"name": "mu", "bounds": [[0.0, 5.0]]}])
    assert histfit.compile_model(spec).parameters.labels == ("a",)


def test_bounds_that_follow_from_the_auxiliary_value_must_be_bounds() -> None:
    spec = counting(5.0, 50.0, 55.0, lumi())
    configuration(spec).append({"name": "lumi", "auxdata": [-1.0], "sigmas": [0.1]})
    with pytest.raises(histfit.InvalidWorkspace, match=r"'lumi', bounds: found \[0.0, -10.0\]"):
        histfit.compile_model(spec)


def test_a_name_is_not_that_of_another_parameter_for_a_bin() -> None:
    spec = counting(5.0, 50.0, 55.0, shapesys("g", [5.0]), normfactor("g[0]"))
    with pytest.raises(histfit.InvalidWorkspace, match=r"parameter 'g\[0\]'"):
        histfit.compile_model(spec)


@pytest.mark.parametrize("mu", [float("nan"), float("inf"), "a", None])
def test_mu_must_be_finite(mu: Any) -> None:
    with pytest.raises(histfit.InvalidWorkspace, match="mu"):
        histfit.hypotest(valid(), mu)


def test_unknown_test_statistics_and_codes_are_refused() -> None:
    with pytest.raises(histfit.InvalidWorkspace, match=r"'qq'.*qtilde"):
        histfit.hypotest(valid(), test_stat="qq")
    with pytest.raises(histfit.InvalidWorkspace, match=r"'code3'.*code1"):
        histfit.compile_model(valid(), None, {"normsys": {"interpcode": "code3"}})
    with pytest.raises(histfit.InvalidWorkspace, match="'lumi'"):
        histfit.compile_model(valid(), None, {"lumi": {"interpcode": "code1"}})
    with pytest.raises(histfit.InvalidWorkspace, match=r"'interpcod'; expected interpcode"):
        histfit.compile_model(valid(), None, {"normsys": {"interpcod": "code4"}})


def test_another_version_of_the_schema_is_refused() -> None:
    with pytest.raises(histfit.InvalidWorkspace, match=r"version '2\.0\.0'; expected '1\.0\.0'"):
        histfit.compile_model(valid() | {"version": "2.0.0"})


ODD: list[Any] = [None, True, -1.0, 0.0, 1e300, 1e-300, float("nan"), float("inf"), "", "mu", "5"]
ODD += [[], {}, [[1.0]], [1.0, 2.0], 10**400, 1e8, "lumi", "staterror", "normsys"]


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything in a JSON document."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def mutated(spec: Spec, rng: np.random.Generator) -> Spec:
    """`spec` with one or two things removed, doubled, scaled or replaced."""
    spec = copy.deepcopy(spec)
    for _ in range(int(rng.integers(1, 3))):
        paths = list(places(spec))
        *parents, key = paths[rng.integers(len(paths))]
        node: Any = spec
        for parent in parents:
            node = node[parent]
        action = rng.random()
        if action < 0.15:
            del node[key]
        elif action < 0.25 and isinstance(node, list):
            node.append(copy.deepcopy(node[key]))
        elif action < 0.85 and isinstance(node[key], float):
            node[key] *= float(rng.choice([-1.0, 0.0, 1e-8, 1e8, 1e-200, 30.0]))
        else:
            node[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])
    return spec


def assert_error_or_finite(seeds: range) -> int:
    """The number of mutated workspaces that still gave a result."""
    results = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        spec = mutated(random_workspace(seed % 50, kinds="smooth", bins=3), rng)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "no events scale with the parameter of interest")
            try:
                result = histfit.hypotest(spec)
            except histfit.HistfitError as error:
                assert str(error)
                continue
        results += 1
        numbers = [result.CLs_obs, *result.CLs_exp, result.q_obs, result.q_asimov]
        assert np.isfinite(numbers).all()
        assert all(0.0 <= p <= 1.0 + 1e-12 for p in numbers[:6])
    return results


def test_mutated_workspaces_give_an_error_or_finite_numbers() -> None:
    assert assert_error_or_finite(range(300)) > 20


@pytest.mark.long
def test_many_mutated_workspaces_give_an_error_or_finite_numbers() -> None:
    assert assert_error_or_finite(range(300, 6000)) > 500


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: histfit.hypotest(valid(), 10**400), "mu: found 1000"),
        (
            lambda: histfit.hypotest(valid(), poi_bounds=(0, 10**400)),
            "range of the POI 'mu': found",
        ),
        (lambda: histfit.upper_limit(valid(), level=None), "level: found None"),
        (lambda: histfit.upper_limit(valid(), level="0.05"), "level: found '0.05'"),
        (lambda: histfit.compile_model(valid(), ["m"]), r"no measurement '\['m'\]'"),
        (
            lambda: histfit.compile_model(valid(), None, {"normsys": None}),
            "modifier settings: found",
        ),
        (lambda: histfit.compile_model(valid(), None, "code4"), "modifier settings: found 'code4'"),
        (lambda: histfit.merge_toys([1]), "toys to merge: found 1; expected Toys"),
    ],
)
def test_arguments_that_make_no_sense_are_named(call: Callable[[], object], expected: str) -> None:
    with pytest.raises(histfit.InvalidWorkspace, match=f"^{expected}"):
        call()


def test_a_poi_may_have_a_namesake_with_a_number() -> None:
    """pyhf takes `mu` and `mu[1]` for two parameters, too."""
    spec = counting(10.0, 50.0, 45.0, normfactor("mu[1]"))
    assert histfit.compile_model(spec).poi_name == "mu"
