"""The folder that Snakemake works in: one run at a time, and order after what a killed run, a
damaged disk or a clock that was set back has left there."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from recontour import seals
from recontour.files import below

SNAKEMAKE = Path(".snakemake")


class Run:
    """One run of the workflow in the present folder.

    The kernel takes its lock back when the process ends, be it by SIGKILL. So, unlike Snakemake's
    own lock, nobody ever has to remove it, and whoever holds it knows that no other run on this
    host is alive.

    Attributes:
        began: when it took the lock, by the clock of the file system; a Unix time
    """

    def __init__(self, jobs_elsewhere: bool = False) -> None:
        self.began = time.time()
        self._lock: IO[str] | None = None
        self._holder = f"process {os.getpid()} on {os.uname().nodename}"
        self._kind = "jobs elsewhere" if jobs_elsewhere else "jobs here"
        self._killed = False  # did the run before this one end without saying so?
        self._first = False  # is it the first one that Snakemake's folder knows of?
        self._outlived = False  # may jobs of that one, or it itself, be alive elsewhere?

    def alone(self) -> bool:
        """Take the lock. False if another run has it."""
        if self._lock:
            return True
        SNAKEMAKE.mkdir(exist_ok=True)
        self._first = not (SNAKEMAKE / "recontour.lock").exists()
        lock = (SNAKEMAKE / "recontour.lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        except OSError:  # a file system without locks: Snakemake's own one has to do
            self._lock = lock
            return True
        self._lock = lock
        lock.seek(0)
        before = lock.read()
        self._killed = bool(before)
        here = f" on {os.uname().nodename}, jobs here\n"
        self._outlived = self._killed and not before.endswith(here)
        lock.truncate(0)
        lock.write(f"{self._holder}, {self._kind}\n")
        lock.flush()
        self.began = os.fstat(lock.fileno()).st_mtime
        atexit.register(lock.truncate, 0)
        return True

    @staticmethod
    def other() -> str:
        """Who has the lock, in words."""
        lock = SNAKEMAKE / "recontour.lock"
        holder = lock.read_text(encoding="utf-8").strip() or "a process that is about to end"
        return f"another run of Snakemake ({holder}) is working in {Path.cwd()}"

    def tidy(
        self, results: Path, sources: Iterable[Path], dependents: Mapping[str, Iterable[str]]
    ) -> Iterator[str]:
        """Remove the lock that a killed run has left, set damaged results aside so that they are
        made again (also those of the `dependents` of an analysis, by their names, which share its
        archive), and let no file be from the future. Only for the run that is `alone`. Yields
        notes."""
        locks = list((SNAKEMAKE / "locks").glob("*.lock")) if self._killed else []
        if locks and self._outlived:
            yield (
                "the run before this one was killed, and had jobs on a cluster, or was on another "
                "host: see to it that nothing of it goes on, then snakemake --unlock"
            )
        else:
            for lock in locks:
                lock.unlink()
        analyses = sorted(path for path in results.glob("*") if path.is_dir())
        unknown = sum(map(seals.number_made, analyses)) if self._first else 0
        if unknown:
            yield (
                f"nothing is known of how {unknown} results in {results} were made, as {SNAKEMAKE} "
                "was deleted, or they are from elsewhere: Snakemake tells only by the times of "
                "files whether config and code have changed; to make all of them anew without "
                "repeating a fit, add --forcerun verify"
            )
        for analysis in analyses:
            using = [results / name for name in dependents.get(analysis.name, ())]
            for path, others in seals.set_damaged_aside(analysis, using):
                yield (
                    f"{path} is not as it was made, or gone: it and {len(others)} results that "
                    "may be made from it are kept as <name>.aside, and made again where a target "
                    "needs them"
                )
        future = _bring_to_the_present([*below(results), *sources])
        if future:
            yield f"{future} files were younger than the clock says; they have its time now"


def _bring_to_the_present(paths: Iterable[Path]) -> int:
    """Give files that are modified in the future the time of now, in their order: Snakemake
    refuses what is made from a younger file. Returns their number."""
    now = time.time_ns()
    modified = {path: path.stat().st_mtime_ns for path in paths if path.exists()}
    future = {path: when for path, when in modified.items() if when > now}
    ranks = {when: rank for rank, when in enumerate(sorted({*future.values()}))}
    for path, when in future.items():
        with contextlib.suppress(OSError):  # the workflow may be installed for all users
            os.utime(path, ns=(now + ranks[when], now + ranks[when]))
    return len(future)
