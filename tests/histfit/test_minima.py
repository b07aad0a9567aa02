"""Of several minima, the lowest that is known: fits are searched again from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import histfit
import jsonpatch
import numpy as np
import pytest
from histfit.fit import at_poi, expected_data, observed_data, problem, solve, tried_again
from histfit.likelihood import Data, log_likelihood, saturated_nll
from histfit.minimize import minimize
from histfit.minimum import Minimum, Problem
from models import (
    KINKED,
    Array,
    Spec,
    counterpart,
    exchangeable,
    histosys,
    lumi,
    normfactor,
    normsys,
    random_workspace,
    sample,
    shapefactor,
    staterror,
    workspace,
)
from recontour.archive import unpack
from starts import lowest, objective


@pytest.mark.parametrize(
    ("seed", "bins", "scale", "kinds"), [(41, 2, 5.0, "smooth"), (2, 4, 50.0, "all")]
)
def test_no_random_start_finds_a_lower_minimum(
    seed: int, bins: int, scale: float, kinds: str
) -> None:
    """Models with two minima, where fits that looked safe had ended in the higher one."""
    model = histfit.compile_model(random_workspace(seed, bins=bins, scale=scale, kinds=kinds))
    fits = histfit.hypotest(model).fits
    observed = observed_data(model)
    asimov = expected_data(model, fits["background"].values[None])
    for name, data, mu in (
        ("conditional", observed, 1.0),
        ("free", observed, None),
        ("asimov", asimov, 1.0),
    ):
        ours = objective(model, data, fits[name])
        assert ours <= lowest(model, data, mu, seed, 20) + 1e-7, name


def test_the_best_fit_itself_is_never_excluded() -> None:
    """s1 has minima at −3.2 and 3.9. Where the free fit finds the lower one, the conditional fit
    must find it, too."""
    config = [
        {"name": "lumi", "auxdata": [0.523], "sigmas": [0.00988], "inits": [1.0]},
        {"name": "mu_b", "inits": [1.17], "bounds": [[0.393, 11.4]], "fixed": True},
    ]
    config[0]["bounds"] = [[0.1, 5.0]]
    first = [
        sample("b0", [691.0, 2470.0], normsys("s3", 0.932, 1.07), lumi()),
        sample("sig", [253.0, 86.9], normfactor("mu")),
    ]
    shape = histosys("s1", [365.0, 1030.0], [374.0, 1010.0])
    second = [
        sample("b0", [366.0, 921.0], shape, staterror("st", [14.6, 155.0]), normfactor("mu_b")),
        sample("b1", [1280.0, 469.0], normsys("s3", 0.927, 1.1)),
        sample("b2", [751.0, 2230.0], normsys("s1", 0.947, 0.873), lumi()),
        sample("sig", [749.0, 1120.0], normfactor("mu"), staterror("st", [74.9, 112.0])),
    ]
    spec = workspace(
        {"c0": first, "c2": second}, {"c0": [661.0, 2440.0], "c2": [2400.0, 3690.0]}, "mu", config
    )
    model = histfit.compile_model(spec)
    muhat = histfit.hypotest(model).muhat
    assert muhat == pytest.approx(0.16932, abs=1e-4)
    result = histfit.hypotest(model, muhat * (1.0 + 1e-6))
    assert result.q_obs == pytest.approx(0.0, abs=1e-8)
    assert result.fits["conditional"]["s1"] == pytest.approx(result.fits["free"]["s1"], abs=1e-3)


def test_a_conditional_fit_is_tried_from_where_the_free_one_ended() -> None:
    """s1 has two minima again, and here the free fit goes to the lower one at once."""
    config = [{"name": "s1", "inits": [0.48], "bounds": [[-1.97, 2.29]]}]
    shape = histosys("s1", [211.0, 97.1, 258.0, 153.0], [234.0, 90.7, 249.0, 176.0])
    first = [
        sample("a", [205.0, 56.3]),
        sample("b", [199.0, 146.0], normfactor("k"), normfactor("mu")),
        sample("c", [87.6, 58.0], normsys("s1", 0.953, 1.1)),
    ]
    second = [
        sample("a", [84.5, 231.0, 283.0, 87.5], shapefactor("f")),
        sample(
            "b", [222.0, 84.0, 265.0, 170.0], normsys("s1", 0.962, 0.927), shape, normfactor("k")
        ),
        sample("c", [9.28, 69.2, 74.2, 94.5]),
    ]
    observed = {"c0": [495.0, 291.0], "c1": [340.0, 294.0, 556.0, 237.0]}
    model = histfit.compile_model(workspace({"c0": first, "c1": second}, observed, "mu", config))
    fits = histfit.hypotest(model).fits
    data = observed_data(model)
    start = at_poi(model, fits["free"].values[None], 1.0)
    again = solve(problem(model, data, held=True), [start])
    nll = float((again.value + saturated_nll(model, data))[0])
    assert fits["conditional"].nll == pytest.approx(nll, abs=1e-8)


@pytest.mark.parametrize("seed", [15, 41, 66])
def test_a_limit_is_where_a_hypothesis_test_says_that_it_is(seed: int) -> None:
    """A scan that only follows its minimum ends up to 0.004 in CLs away from the level here."""
    model = histfit.compile_model(random_workspace(seed, bins=2, scale=5.0, kinds="smooth"))
    limit = histfit.upper_limit(model, beyond_bounds=True)
    for i, mu in enumerate((limit.observed, *limit.expected)):
        assert mu is not None
        tested = histfit.hypotest(model, mu, poi_bounds=(0.0, 1e9))
        assert (tested.CLs_obs, *tested.CLs_exp)[i] == pytest.approx(0.05, abs=1e-7)


@pytest.mark.long
@pytest.mark.parametrize(("masses", "gain"), [("1000_230_100", 0.0747), ("1000_430_300", 0.0481)])
def test_the_free_fit_of_two_published_points_is_the_lower_one_of_two(
    mirror: Path, tmp_path: Path, masses: str, gain: float
) -> None:
    """From the background's fit alone, both histfit and pyhf end `gain` higher in 2NLL."""
    members = ("RegionC/BkgOnly.json", f"RegionC/patch.sbottom_{masses}.json")
    unpack(mirror / "10.17182/hepdata.89408.v3/r2.tar.gz", tmp_path, members)
    background, patch = (json.loads((tmp_path / member).read_bytes()) for member in members)
    model = histfit.compile_model(jsonpatch.apply_patch(background, patch))
    fits = histfit.hypotest(model).fits
    data = observed_data(model)
    start: Array = fits["background"].values[None]
    alone = solve(problem(model, data, poi_bounds=(0.0, 10.0)), [start], thorough=False)
    assert 2.0 * (alone.value[0] - objective(model, data, fits["free"])) == pytest.approx(
        gain, abs=1e-3
    )
    ours = objective(model, data, fits["free"])
    assert ours <= lowest(model, data, None, 0, 20) + 1e-7


@pytest.mark.parametrize("inits", [{}, {"k2": 3.0}, {"a": 1.2}, {"k1": 0.0, "k2": 3.2, "a": 1.2}])
def test_normalisations_that_can_take_each_others_place_are_tried_with_other_sizes(
    inits: dict[str, float],
) -> None:
    """From k1 = k2 = 1 the fits end at k2 = 0, with an NLL of 8.546 (pyhf's, too); the lower
    minimum is at k1 = 0, and no systematic is one-sided. The NLL is pyhf's at the place itself."""
    spec = exchangeable(**inits)
    model = histfit.compile_model(spec)
    assert not model.one_sided.any()
    result = histfit.hypotest(model)
    background = result.fits["background"]
    nll = -counterpart(spec, model).logpdf(background.values, observed_data(model))
    assert background.nll == pytest.approx(nll, rel=1e-12)
    assert nll == pytest.approx(7.649554, abs=1e-6)
    assert background["k1"] == 0.0
    assert result.CLs_obs == pytest.approx(0.0560285, abs=1e-6)
    assert histfit.upper_limit(model).observed == pytest.approx(1.0318929, abs=1e-6)


def test_normalisations_in_other_units_are_tried_with_other_sizes_of_these() -> None:
    spec = exchangeable(k1=100.0, k2=100.0)
    for channel in spec["channels"]:
        for one in channel["samples"][-2:]:
            one["data"] = [0.01 * n for n in one["data"]]
            for modifier in one["modifiers"]:
                if modifier["type"] == "histosys":
                    modifier["data"] = {k: [0.01 * v[0]] for k, v in modifier["data"].items()}
                if modifier["type"] == "staterror":
                    modifier["data"] = [0.01 * modifier["data"][0]]
    for config in spec["measurements"][0]["config"]["parameters"]:
        config["bounds"] = [[0.0, 1000.0]]
    model = histfit.compile_model(spec)
    assert model.loose.tolist() == histfit.compile_model(exchangeable()).loose.tolist()
    assert histfit.hypotest(model).CLs_obs == pytest.approx(0.0560285, abs=1e-6)


def test_a_search_that_did_not_converge_counts_for_what_the_likelihood_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Walls and extensions make the objective of such a search smaller than it is."""
    model = histfit.compile_model(exchangeable())
    what = problem(model, observed_data(model), held=True)
    known = solve(what, [at_poi(model, model.start, 0.0)])
    value = known.value.tolist()

    def lost(problem: Problem, start: Array, known: Minimum | None = None) -> Minimum:
        found = minimize(problem, start)
        found.converged[...] = False
        found.x[...] = start
        found.value[...] = -1.0
        return found

    monkeypatch.setattr("histfit.fit._minimize", lost)
    assert not tried_again(what, known, model.parameters.init[None])
    assert known.value.tolist() == value and known.minimum.converged.all()


def test_in_large_models_only_the_background_is_tried_with_other_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = histfit.compile_model(exchangeable())
    assert len(model.loose) == 2
    small = histfit.hypotest(model).fits
    monkeypatch.setattr("histfit.fit.LARGE", 1)
    large = histfit.hypotest(model).fits
    assert large["background"].starts == small["background"].starts
    assert large["conditional"].starts == small["conditional"].starts - 2


def two_bins(
    background: list[float], signal: list[float], observed: list[float], **shapes: list[list[float]]
) -> Spec:
    """Two bins, with systematics by name: their lo and hi templates."""
    modifiers = [histosys(name, *templates) for name, templates in shapes.items()]
    return workspace(
        {"A": [sample("b", background, *modifiers), sample("s", signal, normfactor("mu"))]},
        {"A": observed},
    )


def lowest_on_a_grid(model: histfit.Model, mu: float, n: int = 201) -> float:
    """The least NLL with μ held, on a grid of two systematics from −5 to 5, made finer around the
    least one five times. No fit takes part."""
    names = [i for i in range(3) if i != model.poi]
    centre, width, least = np.zeros(2), 5.0, np.inf
    for _ in range(6):
        axes = [np.clip(np.linspace(c - width, c + width, n), -5.0, 5.0) for c in centre]
        grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        x = np.full((len(grid), 3), mu)
        x[:, names] = grid
        data = Data(*(np.repeat(part, len(x), axis=0) for part in observed_data(model)))
        nll = -log_likelihood(model, x, data)
        centre, width, least = grid[nll.argmin()], width / 15.0, float(nll.min())
    return least


MANY_EVENTS = {
    "one-sided": two_bins(
        [29840.0, 5049.0], [842.0, 167.0], [32759.0, 5564.0],
        a=[[30426.0, 5123.0], [30500.0, 5102.0]], c=[[30334.0, 5114.0], [30345.0, 5103.0]],
    ),
    "close minima": two_bins(
        [965000.0, 748700.0], [16430.0, 126000.0], [961692.0, 750160.0],
        a=[[950684.0, 749365.0], [937819.0, 743143.0]],
        c=[[965000.0, 748000.0], [965100.0, 749000.0]],
    ),
    "bound": two_bins(
        [53374.0, 204088.0], [4951.0, 4810.0], [59559.0, 213390.0],
        a=[[54100.0, 208129.0], [53636.0, 204974.0]], c=[[53742.0, 206348.0], [52507.0, 202633.0]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MANY_EVENTS)
def test_one_sided_systematics_that_many_events_see_are_tried_on_both_sides(case: str) -> None:
    model = histfit.compile_model(MANY_EVENTS[case])
    assert model.one_sided.any()
    fits = histfit.hypotest(model).fits
    for name, mu in (("background", 0.0), ("conditional", 1.0)):
        assert fits[name].nll == pytest.approx(lowest_on_a_grid(model, mu), abs=2e-5), name


def test_asimov_data_come_from_the_lower_minimum_that_the_free_fit_leads_to() -> None:
    """Of a piecewise exponential one-sided systematic the background's fit finds the higher one."""
    channels = {
        "A": [
            sample("b", [171.0], normsys("a", 0.991, 1.445), normsys("c", 1.11, 1.332)),
            sample("s", [9.533], normfactor("mu")),
        ],
        "B": [sample("b", [144.24], normsys("a", 1.358, 0.985))],
    }
    spec = workspace(channels, {"A": [233.0], "B": [205.0]})
    model = histfit.compile_model(spec, None, KINKED)
    fit = histfit.hypotest(model).fits["background"]
    assert fit.nll == pytest.approx(lowest_on_a_grid(model, 0.0), abs=2e-5)


def test_a_second_minimum_on_the_same_side_is_found() -> None:
    """a lowers or raises most yields either way, and the fits have minima at 0.63 and at 1.76."""
    widths = [3.0174, 2.9802, 8.4544]
    modifiers = normsys("a", 0.383, 1.4029), staterror("st", widths)
    first = [
        sample("b0", [15.09, 14.9, 42.27], *modifiers),
        sample("b1", [13.12, 38.81, 46.82], normsys("a", 0.0, 0.0)),
    ]
    second = [
        sample("b0", [40.24], normsys("a", 0.5588, 0.4709)),
        sample("b1", [24.9], normsys("a", 0.6019, 0.3952), histosys("a", [45.205], [30.422])),
        sample("s", [3.81], normfactor("mu"), normsys("a", 0.7, 1.3)),
    ]
    third = [
        sample("b", [38.29, 23.37, 21.19]),
        sample("s", [4.27, 26.13, 0.0], normfactor("mu")),
    ]
    observed = {"A": [13.0, 52.0, 77.0], "B": [19.0], "C": [59.0, 28.0, 34.0]}
    spec = workspace({"A": first, "B": second, "C": third}, observed)
    model = histfit.compile_model(spec)
    fit = histfit.hypotest(model, 0.0).fits["background"]
    data = observed_data(model)
    assert fit["a"] == pytest.approx(1.76, abs=0.01)
    assert objective(model, data, fit) <= lowest(model, data, 0.0, 0, 20) + 1e-7
