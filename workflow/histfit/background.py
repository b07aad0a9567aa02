"""A background compiled and fitted once, under many signals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from .errors import InvalidWorkspace
from .fit import at_poi, observed_data, problem, solve
from .interpolation import interpolation_codes
from .model import Model, assemble
from .spec import Sample, channels_by_name, read_sample


class Background:
    """A workspace compiled once, for models that share most of its samples.

    Args:
        spec: a workspace (pyhf's JSON schema 1.0.0); keep it unchanged.
        measurement: which measurement to use, by name; the first one if not given.
        modifier_settings: interpolation codes as pyhf names them, by default
            ``{"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}``; of
            settings that name only one of them, the other one is code1 or code0, as in pyhf.

    Raises:
        InvalidWorkspace: the message names channel, sample and modifier.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        measurement: str | None = None,
        modifier_settings: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._spec = spec  # keeps the samples alive, so that their ids stay theirs
        self._measurement = measurement
        self._codes = interpolation_codes(modifier_settings)
        self._own = channels_by_name(spec)
        self._samples: dict[int, Sample] = {
            id(sample): read_sample(sample, channel)
            for channel, samples in self._own.items()
            for sample in samples.values()
        }
        self._best: dict[frozenset[str], dict[str, float]] = {}
        self._known: Collection[str] | None = None  # signals may bring what is configured
        if any(sample.modified for sample in self._samples.values()):
            self._compile(spec)
            # of those that a signal's patch removes, the configuration may stay behind
            samples = [s for channel in self._own.values() for s in channel.values()]
            self._known = frozenset(m["name"] for s in samples for m in s["modifiers"])
        else:
            self._known = frozenset()

    def model(self, spec: Mapping[str, Any]) -> Model:
        """Compile `spec`; samples that are the background's own objects are not read again, and
        its fits start from the background's in those channels that `spec` has."""
        model = self._compile(spec)
        best = self._best_fit(frozenset(model.channels))
        start = model.start.copy()
        for i, label in enumerate(model.parameters.labels):
            if label in best and not model.parameters.fixed[i]:
                start[0, i] = best[label]
        return replace(
            model, start=start, started_at_best=bool(best) and self._is_under(spec, model)
        )

    def _is_under(self, spec: Mapping[str, Any], model: Model) -> bool:
        """Whether `spec` is the background in some of its channels, but for samples that vanish
        without the POI: then its fit without signal is the background's own, but for the widths of
        a staterror that the signal shares."""
        parts = [{**self._spec, "channels": []}, {**spec, "channels": []}]
        for part in parts:
            part["observations"] = [
                entry for entry in part["observations"] if entry["name"] in model.channels
            ]
        if parts[0] != parts[1]:
            return False
        for channel in spec["channels"]:
            own = dict(self._own.get(channel["name"], {}))
            for sample in channel["samples"]:
                if own.get(sample["name"]) == sample:
                    del own[sample["name"]]
                elif sample["name"] in own or not _scales_with(sample, model.poi_name):
                    return False
            if own:
                return False
        return True

    def _compile(self, spec: Mapping[str, Any]) -> Model:
        return assemble(spec, self._measurement, self._codes, self._samples, self._known)

    def _best_fit(self, channels: frozenset[str]) -> dict[str, float]:
        """Parameters of the background's fit in these `channels`; none where it has no such fit."""
        if channels not in self._best:
            kept = [channel for channel in self._spec["channels"] if channel["name"] in channels]
            self._best[channels] = {}
            try:
                model = self._compile({**self._spec, "channels": kept})
            except InvalidWorkspace:  # it needs a channel that is gone
                return {}
            what = problem(model, observed_data(model), held=True)
            best = solve(what, [at_poi(model, model.start, 0.0)]).minimum
            if best.converged[0]:
                labels = model.parameters.labels
                self._best[channels] = dict(zip(labels, best.x[0].tolist(), strict=True))
        return self._best[channels]


def _scales_with(sample: Mapping[str, Any], poi: str | None) -> bool:
    """Whether the POI is a normalisation of the sample."""
    return any(m["type"] == "normfactor" and m["name"] == poi for m in sample["modifiers"])
