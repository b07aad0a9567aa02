"""How many points of a run are done, how fast they come, and how long the rest takes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from recontour import journal
from recontour.errors import UserError
from recontour.files import read_json, write_json

PLAN = Path(".snakemake/recontour.plan.json")
INTERVAL = 10.0
"""Seconds between two lines on a terminal."""


class Batch(NamedTuple):
    """A job of the run: its output, its journal's folder, and the points that it computes."""

    output: str
    journal: str
    points: int


class Progress(NamedTuple):
    """All jobs of one kind for one analysis: points in all, done, and computed by this run, which
    began with them at a Unix time."""

    points: int = 0
    done: float = 0.0
    added: float = 0.0
    began: float | None = None

    def words(self, now: float) -> str:
        """Points done, rate and time left, as far as they are known at the Unix time `now`."""
        shown = f"{self.done:.0f} of {self.points} points"
        if self.began is None or self.added == 0.0 or self.done >= self.points:
            return shown
        rate = self.added / max(now - self.began, 1e-3)
        left = (self.points - self.done) / rate
        return f"{shown} ({self.done / self.points:.0%}), {rate:.3g} a second, {_clock(left)} left"


def write_plan(batches: Iterable[Batch]) -> None:
    """Note what the run that begins now computes."""
    write_json(PLAN, {"started": time.time(), "batches": [batch._asdict() for batch in batches]})


def scans(folder: Path) -> dict[str, Progress]:
    """How far the run is that works in `folder`, by analysis and kind (`1Lbb/hypotest`). Raises
    UserError if none has begun."""
    if not (folder / PLAN).exists():
        raise UserError(
            f"{folder / PLAN}: not there, so no run has begun to compute points in this folder; "
            "name the folder that snakemake runs in"
        )
    plan = read_json(folder / PLAN)
    found: dict[str, Progress] = {}
    for entry in plan["batches"]:
        batch = Batch(**entry)
        name = Path(batch.output).parent.relative_to("results").as_posix()
        found[name] = _with(found.get(name, Progress()), batch, folder, plan["started"])
    return found


def lines(found: Mapping[str, Progress], now: float) -> Iterator[str]:
    """One line for each scan."""
    for name, scan in found.items():
        yield f"{name}: {scan.words(now)}"


def show(folder: Path = Path()) -> None:
    """Print, from now to the end of this process, how far the run is, if that is on a terminal."""
    if sys.stderr.isatty():
        threading.Thread(target=_repeat, args=(folder,), daemon=True).start()


def _repeat(folder: Path) -> None:
    before: dict[str, Progress] = {}
    while True:
        time.sleep(INTERVAL)
        now = scans(folder)
        moved = {name: scan for name, scan in now.items() if scan != before.get(name, Progress())}
        print(*lines(moved, time.time()), sep="\n", end="\n" * bool(moved), file=sys.stderr)
        before = now


def _with(scan: Progress, batch: Batch, folder: Path, started: float) -> Progress:
    """`scan` and one more batch of it."""
    begun = journal.begun(folder / batch.journal, Path(batch.output).stem)
    if begun is None or begun.when < started:
        return scan._replace(points=scan.points + batch.points)
    share = batch.points / max(begun.rows, 1)
    # Snakemake removes what an earlier run has left before it starts a job
    complete = (folder / batch.output).exists()
    done = begun.rows if complete else begun.known + begun.added
    return Progress(
        points=scan.points + batch.points,
        done=scan.done + share * done,
        added=scan.added + share * begun.added,
        began=min(begun.when, scan.began or begun.when),
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
