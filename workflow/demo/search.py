"""The invented search behind the demo: backgrounds, data and signal. Nothing here was measured.

Every number is rounded to five significant digits, so that the JSON written from them does not
depend on the last bit of a platform's exponential function.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

LABEL = "SYNTHETIC demonstration search, not a measurement"
KINEMATIC_GAP = 125.0  # GeV; the decay m1 → m2 + boson is open where m1 > m2 + this
LUMINOSITY = 139.0  # fb⁻¹

# Expected yields by sample, then observed counts, in each channel. Channels and samples are
# deliberately not in alphabetical order: HistFactory orders them by name, not as they are written.
YIELDS: dict[str, dict[str, list[float]]] = {
    "VR_wjets_met": {"wjets": [125], "top": [80], "diboson": [12]},
    "SR_LM_mct": {
        "wjets": [5.0, 3.1, 1.6],
        "top": [14.0, 7.5, 3.2],
        "fakes": [2.4, 1.2, 0.6],
        "diboson": [0.9, 0.7, 0.4],
    },
    "SR_HM_mct": {
        "wjets": [1.6, 1.0, 0.7],
        "top": [2.2, 1.2, 0.6],
        "fakes": [0.5, 0.3, 0.2],
        "diboson": [0.4, 0.3, 0.2],
    },
    "CR_top_mct": {"wjets": [60, 30], "top": [420, 150], "diboson": [6, 3]},
    "CR_fakes_mct": {"wjets": [5, 3, 2], "top": [8, 4, 2], "fakes": [48, 24, 12]},
}
OBSERVED = {
    "VR_wjets_met": [209],
    "SR_LM_mct": [25, 14, 4],
    "SR_HM_mct": [6, 2, 4],
    "CR_top_mct": [507, 172],
    "CR_fakes_mct": [55, 36, 14],
}

# Systematic uncertainties: modifier type, relative change at +1σ and −1σ, and the growth of that
# change from one bin to the next. Equal names are one nuisance parameter, as the JES of top
# (shape and normalisation apart) and of the other samples.
Systematic = tuple[str, str, float, float, float]
SYSTEMATICS: dict[str, list[Systematic]] = {
    "top": [
        ("JES", "histosys", 0.06, -0.05, 0.4),
        ("JES", "normsys", 0.02, -0.03, 0.0),
        ("btag", "normsys", 0.04, -0.04, 0.0),
        ("top_theory", "histosys", 0.08, -0.10, 0.5),
    ],
    "wjets": [
        ("JES", "histosys", 0.09, -0.07, 0.3),
        ("btag", "normsys", 0.10, -0.08, 0.0),
        ("wjets_theory", "normsys", 0.18, -0.15, 0.0),
    ],
    "diboson": [("JES", "normsys", 0.08, -0.06, 0.0), ("diboson_theory", "normsys", 0.2, -0.2, 0)],
    "fakes": [],
}
EVENT_WEIGHTS = {"top": 0.08, "wjets": 0.15, "signal": 0.02}  # of the simulated events

MEASUREMENT = {
    "name": "NormalMeasurement",
    "config": {
        "poi": "mu_SIG",
        "parameters": [
            {
                "name": "lumi",
                "auxdata": [1.0],
                "bounds": [[0.915, 1.085]],
                "inits": [1.0],
                "sigmas": [0.017],
                "fixed": False,
            },
            {"name": "mu_top", "bounds": [[0.0, 5.0]], "inits": [1.0], "fixed": False},
            {"name": "mu_SIG", "bounds": [[0.0, 10.0]], "inits": [1.0], "fixed": False},
        ],
    },
}


def _round(value: float) -> float:
    return float(f"{value:.5g}")


def _scaled(yields: Sequence[float], change: float, growth: float = 0.0) -> list[float]:
    return [_round(n * (1 + change * (1 + growth * i))) for i, n in enumerate(yields)]


def _modifier(systematic: Systematic, yields: Sequence[float]) -> Json:
    name, kind, up, down, growth = systematic
    if kind == "normsys":
        data: Json = {"hi": _round(1 + up), "lo": _round(1 + down)}
    else:
        hi, lo = _scaled(yields, up, growth), _scaled(yields, down, growth)
        data = {"hi_data": hi, "lo_data": lo}
    return {"name": name, "type": kind, "data": data}


def _staterror(channel: str, yields: Sequence[float], weight: float) -> Json:
    """Uncertainty of N weighted events: sqrt(Σ w²) = sqrt(w · yield)."""
    data = [_round(math.sqrt(weight * n)) for n in yields]
    return {"name": f"staterror_{channel}", "type": "staterror", "data": data}


def _background_sample(channel: str, name: str) -> Json:
    yields = YIELDS[channel][name]
    modifiers = [_modifier(systematic, yields) for systematic in SYSTEMATICS[name]]
    if name == "top":
        modifiers.append({"name": "mu_top", "type": "normfactor", "data": None})
    else:
        modifiers.append({"name": "lumi", "type": "lumi", "data": None})
    if name in EVENT_WEIGHTS:
        modifiers.append(_staterror(channel, yields, EVENT_WEIGHTS[name]))
    if name == "diboson":
        data = [_round(0.25 * n) for n in yields]
        modifiers.append({"name": f"diboson_{channel}", "type": "shapesys", "data": data})
    if name == "fakes":
        # The shape is taken from data: one free factor a bin, shared by CR_fakes and the regions.
        modifiers = [{"name": "fakes_shape", "type": "shapefactor", "data": None}]
        if channel.startswith("SR"):
            transfer = ("fakes_transfer", "normsys", 0.3, -0.25, 0.0)
            modifiers.append(_modifier(transfer, yields))
    return {"name": name, "data": yields, "modifiers": modifiers}


def background() -> Json:
    """The background-only workspace (BkgOnly.json)."""
    return {
        "channels": [
            {"name": channel, "samples": [_background_sample(channel, name) for name in samples]}
            for channel, samples in YIELDS.items()
        ],
        "observations": [{"name": name, "data": data} for name, data in OBSERVED.items()],
        "measurements": [MEASUREMENT],
        "version": "1.0.0",
    }


def signal_yields(m1: float, m2: float) -> dict[str, list[float]]:
    """Expected signal events a channel and bin at masses `m1`, `m2` (GeV), smooth in both.

    Cross-section: a power law. Acceptance: rises from zero at the kinematic boundary. With the
    mass splitting the events move from SR_LM to SR_HM and, within each, to higher bins.
    """
    splitting = m1 - m2 - KINEMATIC_GAP
    cross_section = 970.0 * (150.0 / m1) ** 3.8  # fb
    acceptance = 0.0063 * (1 - math.exp(-((max(splitting, 0.0) / 110.0) ** 2)))
    events = LUMINOSITY * cross_section * acceptance
    high = 1 / (1 + math.exp((140.0 - splitting) / 60.0))
    ratio = 0.5 + splitting / (splitting + 250.0)  # of one bin's yield to the one before
    shape = [1 / (1 + ratio + ratio**2) * ratio**i for i in range(3)]
    parts: dict[str, list[float]] = {
        "VR_wjets_met": [0.05],
        "SR_LM_mct": [(1 - high) * s for s in shape],
        "SR_HM_mct": [high * s for s in shape],
        "CR_top_mct": [0.03, 0.02],
    }
    return {channel: [_round(events * p) for p in part] for channel, part in parts.items()}


def signal_patch(m1: float, m2: float) -> list[Json]:
    """JSON Patch (RFC 6902) that adds the signal to each channel that it reaches."""
    splitting = m1 - m2 - KINEMATIC_GAP
    soft = math.exp(-splitting / 120.0)
    systematics: list[Systematic] = [
        ("JES", "histosys", 0.02 + 0.08 * soft, -0.02 - 0.06 * soft, 0.2),
        ("btag", "normsys", 0.05, -0.05, 0.0),
        ("signal_ISR", "normsys", 0.03 + 0.15 * soft, -0.03 - 0.12 * soft, 0.0),
    ]
    yields = signal_yields(m1, m2)
    patch = []
    for index, (channel, samples) in enumerate(YIELDS.items()):
        if channel not in yields:
            continue
        modifiers = [_modifier(systematic, yields[channel]) for systematic in systematics]
        modifiers.append(_staterror(channel, yields[channel], EVENT_WEIGHTS["signal"]))
        modifiers.append({"name": "lumi", "type": "lumi", "data": None})
        modifiers.append({"name": "mu_SIG", "type": "normfactor", "data": None})
        sample = {"name": patch_name(m1, m2), "data": yields[channel], "modifiers": modifiers}
        path = f"/channels/{index}/samples/{len(samples)}"
        patch.append({"op": "add", "path": path, "value": sample})
    return patch


def patch_name(m1: float, m2: float) -> str:
    return f"demo_{m1:g}_{m2:g}"


def points() -> list[tuple[int, int]]:
    """The mass points (m1, m2) in GeV: a 50 GeV lattice, and more where CLs changes fastest."""
    lattice = [(m1, m2) for m1 in range(150, 601, 50) for m2 in range(0, 301, 50)]
    compressed = [(m2 + 175, m2) for m2 in range(0, 301, 50)]
    return sorted((m1, m2) for m1, m2 in lattice + compressed if m1 > m2 + KINEMATIC_GAP)


def patchset() -> Json:
    """All signal patches (patchset.json), tied to the background by pyhf's digest."""
    return {
        "metadata": {
            "name": "recontour-demo",
            "description": f"{LABEL}: signal patchset in an invented mass plane",
            "digests": {"sha256": digest(background())},
            "labels": ["m1", "m2"],
            "references": {"hepdata": "ins0000000"},
        },
        "patches": [
            {
                "metadata": {"name": patch_name(m1, m2), "values": [m1, m2]},
                "patch": signal_patch(m1, m2),
            }
            for m1, m2 in points()
        ],
        "version": "1.0.0",
    }


def digest(spec: Json) -> str:
    """pyhf's digest (pyhf.utils.digest): sha256 of the JSON text with sorted keys."""
    text = json.dumps(spec, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
