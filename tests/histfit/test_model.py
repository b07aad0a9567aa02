"""Rates, constraint terms and parameters of compiled models against pyhf."""

from __future__ import annotations

import copy
import json
import tarfile
from pathlib import Path

import histfit
import jsonpatch
import numpy as np
import pyhf
import pytest
from histfit.likelihood import expected_bins, log_likelihood
from hypothesis import given, settings
from hypothesis import strategies as st
from models import (
    LUMI,
    Spec,
    counterpart,
    counting,
    histosys,
    lumi,
    normfactor,
    normsys,
    random_data,
    random_point,
    random_workspace,
    sample,
    shapefactor,
    shapesys,
    staterror,
    workspace,
)

MODIFIERS = {
    "histosys": [histosys("a", [4.0, 11.0], [7.0, 8.0])],
    "normsys": [normsys("a", 0.8, 1.3)],
    "normsys and histosys": [normsys("a", 0.8, 1.3), histosys("a", [4.0, 11.0], [7.0, 8.0])],
    "lumi": [lumi()],
    "normfactor": [normfactor("k")],
    "shapefactor": [shapefactor("s")],
    "shapesys": [shapesys("g", [1.5, 0.3])],
    "shapesys, no uncertainty": [shapesys("g", [0.0, 0.3])],
    "staterror": [staterror("g", [1.5, 0.3])],
    "staterror, no uncertainty": [staterror("g", [0.0, 0.3])],
    "all": [
        histosys("a", [4.0, 11.0], [7.0, 8.0]),
        normsys("a", 0.8, 1.3),
        normsys("b", 0.97, 1.01),
        histosys("c", [5.5, 9.0], [5.5, 9.5]),
        lumi(),
        normfactor("k"),
        shapefactor("s"),
        shapesys("g", [1.5, 0.3]),
        staterror("h", [0.7, 0.9]),
    ],
}


def assert_equal_to_pyhf(
    spec: Spec,
    seed: int = 0,
    measurement: str | None = None,
    codes: dict[str, dict[str, str]] | None = None,
    points: int = 3,
) -> None:
    """Rates and log likelihood agree to 1e-12 relative, at random parameters and data."""
    model = histfit.compile_model(spec, measurement, codes)
    other = counterpart(spec, model, measurement, codes)
    rng = np.random.default_rng(seed)
    for _ in range(points):
        x, data = random_point(model, rng), random_data(model, rng)
        with np.errstate(all="ignore"):
            expected = other.model.expected_actualdata(x[other.order])
            logpdf = other.logpdf(x, data)
        if not np.isfinite(expected).all():
            continue  # pyhf has no value for a normsys factor of 0
        rates = expected_bins(model, x[None])[0]
        assert rates == pytest.approx(expected, rel=1e-12, abs=1e-12 * np.abs(expected).max())
        ours = log_likelihood(model, x[None], data)[0]
        if np.isfinite(logpdf):
            assert ours == pytest.approx(logpdf, rel=1e-12)
        else:
            assert ours == -np.inf


@pytest.mark.parametrize("modifiers", MODIFIERS.values(), ids=MODIFIERS.keys())
def test_every_modifier_equals_pyhf(modifiers: list[Spec]) -> None:
    spec = workspace(
        {
            "SR": [
                sample("bkg", [5.0, 9.0], *copy.deepcopy(modifiers)),
                sample("other", [1.0, 2.0]),
                sample("sig", [2.0, 1.0], normfactor("mu")),
            ]
        },
        {"SR": [7.0, 11.0]},
        parameters=[LUMI] if any(m["type"] == "lumi" for m in modifiers) else [],
    )
    assert_equal_to_pyhf(spec, points=20)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6))
def test_random_workspaces_equal_pyhf(seed: int) -> None:
    assert_equal_to_pyhf(random_workspace(seed), seed)


@pytest.mark.parametrize("histosys_code", ["code0", "code2", "code4p"])
@pytest.mark.parametrize("normsys_code", ["code1", "code4"])
def test_interpolation_codes_can_be_chosen(histosys_code: str, normsys_code: str) -> None:
    codes = {"histosys": {"interpcode": histosys_code}, "normsys": {"interpcode": normsys_code}}
    for seed in range(5):
        assert_equal_to_pyhf(random_workspace(seed), seed, codes=codes)


@pytest.mark.parametrize("codes", [{"normsys": {"interpcode": "code4"}}, {}])
def test_a_code_left_out_of_the_settings_is_the_one_that_pyhf_takes(codes: Spec) -> None:
    assert_equal_to_pyhf(random_workspace(3), 3, codes=codes)


def test_parameters_equal_those_of_pyhf() -> None:
    for seed in range(20):
        spec = random_workspace(seed)
        model = histfit.compile_model(spec)
        other = counterpart(spec, model)
        parameters, config = model.parameters, other.model.config
        assert parameters.init[other.order].tolist() == config.suggested_init()
        assert parameters.bounds[other.order] == pytest.approx(np.array(config.suggested_bounds()))
        assert parameters.fixed[other.order].tolist() == config.suggested_fixed()
        assert parameters.aux[other.aux] == pytest.approx(np.array(config.auxdata), rel=1e-14)
        assert model.poi is not None
        assert parameters.labels[model.poi] == config.poi_name
        assert model.observed.tolist() == other.data[: config.nmaindata]


def test_a_measurement_configures_every_attribute() -> None:
    parameters: list[Spec] = [
        {"name": "mu", "inits": [0.5], "bounds": [[-2.0, 30.0]]},
        {"name": "lumi", "auxdata": [1.1], "sigmas": [0.05], "inits": [1.0], "bounds": [[0, 2]]},
        {"name": "a", "auxdata": [0.3], "inits": [0.1], "bounds": [[-3.0, 3.0]], "fixed": True},
        {"name": "h", "sigmas": [0.2, 0.4], "auxdata": [0.9, 1.05], "inits": [1.1, 0.9]},
        {"name": "g", "factors": [50.0, 20.0], "auxdata": [45.0, 25.0]},
        {"name": "s", "inits": [1.2, 0.8], "bounds": [[0.1, 3.0], [0.2, 4.0]]},
    ]
    spec = workspace(
        {
            "SR": [
                sample("bkg", [5.0, 9.0], *MODIFIERS["all"]),
                sample("sig", [2.0, 1.0], normfactor("mu")),
            ]
        },
        {"SR": [7.0, 11.0]},
        parameters=parameters,
    )
    assert_equal_to_pyhf(spec, points=10)
    model = histfit.compile_model(spec)
    labels = model.parameters.labels
    assert model.parameters.bounds[labels.index("s[1]")].tolist() == [0.2, 4.0]
    assert model.parameters.init[labels.index("mu")] == 0.5
    assert model.parameters.fixed[labels.index("a")]
    assert model.parameters.weight[labels.index("h[0]")] == pytest.approx(25.0)
    assert model.parameters.tau[labels.index("g[0]")] == 50.0


def test_one_of_several_measurements_is_chosen() -> None:
    spec = random_workspace(3)
    other = copy.deepcopy(spec["measurements"][0])
    other["name"], other["config"]["poi"] = "second", "lumi"
    other["config"]["parameters"][0]["sigmas"] = [0.3]
    spec["channels"][0]["samples"][0]["modifiers"] = [lumi(), normsys("syst0", 0.9, 1.1)]
    spec["measurements"].append(other)
    for name, poi in ((None, "mu"), ("m", "mu"), ("second", "lumi")):
        assert histfit.compile_model(spec, name).poi_name == poi
        assert_equal_to_pyhf(spec, 1, measurement=name)
    with pytest.raises(histfit.InvalidWorkspace, match="no measurement 'third'"):
        histfit.compile_model(spec, "third")


@pytest.mark.parametrize("poi", ["", "mu_absent"])
def test_a_workspace_without_poi_is_a_background_only_model(poi: str) -> None:
    spec = counting(5.0, 50.0, 55.0, normsys("a", 0.9, 1.1))
    spec["measurements"][0]["config"]["poi"] = poi
    model = histfit.compile_model(spec)
    assert model.poi is None
    assert model.parameters.labels == ("a", "mu")


def test_staterror_widths_include_the_signal() -> None:
    # σ = sqrt(3² + 4²)/(10 + 15), and 3/10 without the signal
    def model(*modifiers: Spec) -> histfit.Model:
        return histfit.compile_model(
            workspace(
                {
                    "SR": [
                        sample("bkg", [10.0], staterror("g", [3.0])),
                        sample("sig", [15.0], normfactor("mu"), *modifiers),
                    ]
                },
                {"SR": [12.0]},
            )
        )

    assert model().parameters.weight[0] == pytest.approx(0.3**-2, rel=1e-14)
    assert model(staterror("g", [4.0])).parameters.weight[0] == pytest.approx(25.0, rel=1e-14)


def test_staterror_shared_by_channels_and_shapefactor_shared_by_channels() -> None:
    spec = workspace(
        {
            "B": [sample("b", [5.0, 6.0], shapefactor("s")), sample("q", [1.0, 1.0])],
            "A": [sample("b", [7.0, 3.0], shapefactor("s"), normfactor("mu"))],
        },
        {"A": [7.0, 2.0], "B": [5.0, 9.0]},
    )
    assert_equal_to_pyhf(spec)


def test_a_shapefactor_of_channels_with_fewer_bins_acts_on_the_first_ones() -> None:
    wide = [sample("b", [5.0, 6.0, 7.0], shapefactor("s"))]
    narrow = [sample("b", [7.0, 3.0], shapefactor("s"), normfactor("mu"))]
    data = {"A": [7.0, 2.0, 3.0], "B": [5.0, 9.0]}
    assert_equal_to_pyhf(workspace({"A": wide, "B": narrow}, data))
    # the narrow one first: pyhf makes two factors, and scales the third bin by another parameter
    model = histfit.compile_model(
        workspace({"A": narrow, "B": wide}, {"A": data["B"], "B": data["A"]})
    )
    x = np.array([[2.0, 3.0, 4.0, 5.0]])  # mu and s
    assert model.parameters.labels == ("mu", "s[0]", "s[1]", "s[2]")
    assert expected_bins(model, x)[0].tolist() == [42.0, 24.0, 15.0, 24.0, 35.0]


def test_a_factor_of_a_single_bin_may_be_the_poi() -> None:
    spec = counting(5.0, 50.0, 55.0, normsys("a", 0.9, 1.1))
    spec["channels"][0]["samples"][1]["modifiers"] = [shapefactor("mu")]
    assert_equal_to_pyhf(spec)
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-13))
    model = pyhf.Workspace(spec).model()
    theirs = pyhf.infer.hypotest(1.3, [55.0, *model.config.auxdata], model)
    assert histfit.hypotest(spec, 1.3).CLs_obs == pytest.approx(float(theirs), abs=1e-6)


def test_bounds_like_those_of_roofit_are_none() -> None:
    spec = counting(5.0, 50.0, 55.0)
    spec["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[-1e30, 1e30]]}]
    assert histfit.estimate(spec)["mu"].value == pytest.approx(1.0)


def test_whole_numbers_beyond_64_bits_are_numbers() -> None:
    spec = counting(5.0, 50.0, 55.0, histosys("a", [10**19], [3 * 10**19]))
    spec["channels"][0]["samples"][0]["data"] = [2 * 10**19]
    assert histfit.compile_model(spec).nominal.tolist() == [2e19, 5.0]


def test_no_factor_of_code1_leaves_nothing() -> None:
    spec = counting(5.0, 50.0, 25.0, normsys("a", 0.0, 1.5))
    codes = {"normsys": {"interpcode": "code1"}, "histosys": {"interpcode": "code0"}}
    model = histfit.compile_model(spec, None, codes)
    x = np.array([[a, 1.0] for a in (-1e-6, 0.0, 1.0)])
    assert expected_bins(model, x).ravel().tolist() == [5.0, 55.0, 80.0]
    assert_equal_to_pyhf(spec, codes=codes)
    assert histfit.estimate(model, 1.0).fit["a"] == 0.0


def test_zero_and_negative_yields_equal_pyhf() -> None:
    widths = [0.0, 0.5, 1.0, 0.3]
    spec = workspace(
        {
            "SR": [
                sample("a", [0.0, -1.0, 20.0, 0.0], staterror("g", widths)),
                sample("b", [0.0, 9.0, 0.0, 4.0], staterror("g", [0.0, 0.0, 0.0, 0.0])),
                sample("c", [0.0, 3.0, -2.0, 1.0], shapesys("h", [1.0, 0.0, 0.3, 0.2])),
                sample("sig", [0.0, 1.0, 2.0, 0.0], normfactor("mu")),
            ]
        },
        {"SR": [0.0, 11.0, 18.0, 5.0]},
    )
    assert_equal_to_pyhf(spec, points=10)
    labels = histfit.compile_model(spec).parameters
    fixed = {label for label, f in zip(labels.labels, labels.fixed, strict=True) if f}
    assert fixed == {"g[0]", "h[0]", "h[1]", "h[2]"}


def test_patches_may_add_replace_and_remove() -> None:
    spec = counting(5.0, 50.0, 55.0, normsys("a", 0.9, 1.1), staterror("g", [2.0]))
    patch = [
        {"op": "add", "path": "/channels/0/samples/-", "value": sample("new", [3.0], lumi())},
        {"op": "replace", "path": "/channels/0/samples/0/data/0", "value": 45.0},
        {"op": "replace", "path": "/observations/0/data", "value": [47.0]},
        {"op": "remove", "path": "/channels/0/samples/0/modifiers/0"},
        {"op": "add", "path": "/measurements/0/config/parameters/-", "value": LUMI},
    ]
    patched = jsonpatch.apply_patch(spec, patch)
    assert_equal_to_pyhf(patched)
    assert_same_model(histfit.Background(spec).model(patched), histfit.compile_model(patched))


def test_a_patch_without_the_poi_leaves_a_model_without_poi() -> None:
    spec = counting(5.0, 50.0, 55.0, normsys("a", 0.9, 1.1))
    patched = jsonpatch.apply_patch(spec, [{"op": "remove", "path": "/channels/0/samples/1"}])
    result = histfit.hypotest(histfit.Background(spec).model(patched))
    assert result.muhat is None
    assert (result.CLs_obs, *result.CLs_exp) == (1.0,) * 6


def assert_same_model(one: histfit.Model, other: histfit.Model) -> None:
    """Bit for bit, but for the start values and where they are from."""
    for field in one.__dataclass_fields__:
        a, b = getattr(one, field), getattr(other, field)
        if field == "parameters":
            for part in a.__dataclass_fields__:
                assert np.array_equal(getattr(a, part), getattr(b, part)), part
        elif isinstance(a, np.ndarray):
            assert field == "start" or (a.dtype == b.dtype and np.array_equal(a, b)), field
        else:
            assert field == "started_at_best" or a == b, field


def shuffled(spec: Spec, seed: int) -> Spec:
    """The same workspace in another order."""
    rng = np.random.default_rng(seed)
    result = copy.deepcopy(spec)
    rng.shuffle(result["channels"])
    rng.shuffle(result["observations"])
    for channel in result["channels"]:
        rng.shuffle(channel["samples"])
        for one in channel["samples"]:
            rng.shuffle(one["modifiers"])
    return result


def test_the_order_of_channels_samples_and_modifiers_is_irrelevant_bit_for_bit() -> None:
    for seed in range(30):
        spec = random_workspace(seed)
        assert_same_model(histfit.compile_model(shuffled(spec, seed)), histfit.compile_model(spec))


def test_a_compiled_background_gives_the_same_models_bit_for_bit() -> None:
    for seed in range(30):
        spec = random_workspace(seed, kinds="smooth")
        background = copy.deepcopy(spec)
        for channel in background["channels"]:
            channel["samples"].pop()
        patched = copy.copy(background)
        patched["channels"] = [
            {**ours, "samples": [*ours["samples"], theirs["samples"][-1]]}
            for ours, theirs in zip(background["channels"], spec["channels"], strict=True)
        ]
        assert_same_model(
            histfit.Background(background).model(patched), histfit.compile_model(spec)
        )


def test_fits_start_from_the_background_in_the_channels_that_a_patch_keeps() -> None:
    # the validation region pulls k to 2; without it the signal region alone says 1.2
    def region(size: float) -> list[Spec]:
        return [sample("b", [size], normfactor("k"))]

    spec = workspace({"SR": region(50.0), "VR": region(5000.0)}, {"SR": [60.0], "VR": [10000.0]})
    signal = sample("s", [5.0], normfactor("mu"))
    add = {"op": "add", "path": "/channels/0/samples/-", "value": signal}
    kept = jsonpatch.apply_patch(spec, [add])
    removed = jsonpatch.apply_patch(spec, [add, {"op": "remove", "path": "/channels/1"}])
    background = histfit.Background(spec)
    for patched, best in ((kept, 10060.0 / 5050.0), (removed, 1.2), (kept, 10060.0 / 5050.0)):
        model = background.model(patched)
        start = dict(zip(model.parameters.labels, model.start[0], strict=True))
        assert start == pytest.approx({"k": best, "mu": 1.0}, abs=1e-6)


def test_a_background_without_modifiers_takes_those_of_its_signals() -> None:
    background = workspace({"SR": [sample("bkg", [50.0])]}, {"SR": [55.0]})
    signal = sample("sig", [5.0], normfactor("mu"))
    add = [{"op": "add", "path": "/channels/0/samples/-", "value": signal}]
    spec = jsonpatch.apply_patch(background, add)
    expected = histfit.hypotest(spec).CLs_obs
    model = histfit.Background(background).model(spec)
    assert histfit.hypotest(model).CLs_obs == pytest.approx(expected, abs=1e-12)


def test_a_patch_may_bring_and_remove_parameters_that_the_background_configures() -> None:
    background = counting(5.0, 50.0, 55.0, normsys("a", 0.9, 1.1))
    background["channels"][0]["samples"].pop()
    background["channels"].append(
        {"name": "VR", "samples": [sample("vr", [10.0], normfactor("k_VR"))]}
    )
    background["observations"].append({"name": "VR", "data": [11.0]})
    background["measurements"][0]["config"]["parameters"] = [
        {"name": name, "bounds": [[-3.0, 3.0]]} for name in ("xsec", "k_VR")
    ]
    signal = sample("sig", [5.0], normfactor("mu"), normsys("xsec", 0.9, 1.1))
    add = [{"op": "add", "path": "/channels/0/samples/-", "value": signal}]
    remove = [{"op": "remove", "path": "/channels/1"}, {"op": "remove", "path": "/observations/1"}]
    compiled = histfit.Background(background)
    for patch, removed in ((add, set()), (add + remove, {"k_VR"})):
        model = compiled.model(jsonpatch.apply_patch(background, patch))
        assert {*model.parameters.labels} == {"a", "mu", "xsec", "k_VR"} - removed
    with pytest.raises(histfit.InvalidWorkspace, match="'xsec': found a configuration"):
        compiled.model(background)


def test_a_compiled_background_notices_a_replaced_sample() -> None:
    spec = counting(5.0, 50.0, 55.0)
    patched = jsonpatch.apply_patch(
        spec, [{"op": "replace", "path": "/channels/0/samples/0", "value": sample("bkg", [40.0])}]
    )
    assert histfit.Background(spec).model(patched).nominal.tolist() == [40.0, 5.0]


def published(archive: Path, member: str) -> Spec:
    """A JSON member of a published archive."""
    with tarfile.open(archive) as tar:
        found = next(m for m in tar if m.name.endswith(member))
        content = tar.extractfile(found)
        assert content is not None
        return json.load(content)


SBOTTOM = "10.17182/hepdata.89408.v3/r2.tar.gz"


@pytest.mark.parametrize(
    ("member", "patch"),
    [
        ("RegionA/BkgOnly.json", "RegionA/patch.sbottom_1000_131_1.json"),
        ("RegionB/BkgOnly.json", "RegionB/patch.sbottom_1000_950_60.json"),
        ("RegionC/BkgOnly.json", "RegionC/patch.sbottom_1000_205_60.json"),
    ],
)
def test_published_sbottom_models_equal_pyhf(mirror: Path, member: str, patch: str) -> None:
    background = published(mirror / SBOTTOM, member)
    signal = published(mirror / SBOTTOM, patch)
    spec = jsonpatch.apply_patch(background, signal)
    assert_equal_to_pyhf(spec, points=5)


@pytest.mark.long
def test_published_1lbb_model_equals_pyhf(mirror: Path) -> None:
    archive = mirror / "10.17182/hepdata.90607.v3/r3.tar.gz"
    background = published(archive, "BkgOnly.json")
    patches = published(archive, "patchset.json")["patches"]
    for patch in (patches[0], patches[-1]):
        assert_equal_to_pyhf(jsonpatch.apply_patch(background, patch["patch"]), points=5)
