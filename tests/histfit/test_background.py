"""A background compiled and fitted once: when its fit is that of the models made of it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import histfit
import pytest
from models import Spec, exchangeable, normfactor, sample, workspace


def patched(change: Callable[[Spec], None]) -> histfit.Model:
    """A workspace that shares the objects of its background, but for what `change` does to it."""
    spec = exchangeable()
    base = {**spec, "channels": [{**c, "samples": c["samples"][-2:]} for c in spec["channels"]]}
    changed = {**spec, "channels": [{**c, "samples": [*c["samples"]]} for c in spec["channels"]]}
    change(changed)
    return histfit.Background(base).model(changed)


def nothing(spec: Spec) -> None:
    pass


def data(spec: Spec) -> None:
    spec["observations"] = [{"name": "SR", "data": [35.0]}, spec["observations"][1]]


def measurement(spec: Spec) -> None:
    spec["measurements"] = copy.deepcopy(spec["measurements"])
    spec["measurements"][0]["config"]["parameters"] = [{"name": "k2", "bounds": [[0.0, 20.0]]}]


def another_background(spec: Spec) -> None:
    replaced = spec["channels"][1]["samples"][1] | {"data": [65.9]}
    spec["channels"][1]["samples"][1] = replaced


def no_background(spec: Spec) -> None:
    del spec["channels"][0]["samples"][2]


def events_without_poi(spec: Spec) -> None:
    spec["channels"][1]["samples"].append(sample("more", [1.0], normfactor("k3")))


def copies(spec: Spec) -> None:
    spec["channels"] = copy.deepcopy(spec["channels"])


def no_channel(spec: Spec) -> None:
    del spec["channels"][0]
    spec["observations"] = spec["observations"][1:]


@pytest.mark.parametrize("change", [nothing, copies, no_channel])
def test_under_a_signal_the_backgrounds_fit_is_not_searched_again(
    change: Callable[[Spec], None],
) -> None:
    assert patched(change).started_at_best


@pytest.mark.parametrize(
    "change", [data, measurement, another_background, no_background, events_without_poi]
)
def test_what_else_a_patch_changes_needs_a_thorough_fit_of_its_own(
    change: Callable[[Spec], None],
) -> None:
    model = patched(change)
    assert not model.started_at_best
    background = histfit.hypotest(model).fits["background"]
    assert background.starts > 1


def test_other_data_end_in_the_same_minimum_as_without_a_compiled_background() -> None:
    spec = exchangeable()
    nominal = {**spec, "observations": [{"name": "SR", "data": [63.0]}, spec["observations"][1]]}
    model = histfit.Background(nominal).model(spec)
    assert histfit.hypotest(model).CLs_obs == pytest.approx(0.0560285, abs=1e-6)


def test_a_configuration_may_name_a_modifier_with_brackets_that_a_signal_takes_away() -> None:
    own, other = sample("b", [50.0]), sample("c", [5.0], normfactor("k[x]"))
    configured = [{"name": "k[x]", "bounds": [[0.0, 3.0]]}]
    spec = workspace({"SR": [own, other]}, {"SR": [52.0]}, parameters=configured)
    signal = sample("s", [9.0], normfactor("mu"))
    patched = workspace({"SR": [own, signal]}, {"SR": [52.0]}, parameters=configured)
    model = histfit.Background(spec).model(patched)
    assert model.parameters.labels == ("mu",)
