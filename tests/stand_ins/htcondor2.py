"""In place of HTCondor's own module: a pool of one machine, with what Snakemake's plugin asks for.

A job starts in an empty folder, to which its program is copied, as in pools that transfer files
(CERN's does). The submissions are noted in the file that POOL_LOG names, an object a line.
"""

from __future__ import annotations

import enum
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class JobEventType(enum.IntEnum):
    """Numbers of HTCondor's log of events."""

    SUBMIT = 0
    EXECUTE = 1
    JOB_EVICTED = 4
    JOB_TERMINATED = 5
    IMAGE_SIZE = 6
    SHADOW_EXCEPTION = 7
    JOB_ABORTED = 9
    JOB_SUSPENDED = 10
    JOB_UNSUSPENDED = 11
    JOB_HELD = 12
    JOB_RELEASED = 13
    JOB_DISCONNECTED = 22
    JOB_RECONNECTED = 23
    JOB_RECONNECT_FAILED = 24
    FILE_TRANSFER = 40


class JobEvent(dict[str, Any]):
    """What happened to a job."""

    def __init__(self, cluster: int, type: JobEventType, **more: Any) -> None:
        super().__init__(more)
        self.cluster, self.type = cluster, type


_events: list[JobEvent] = []


class JobEventLog:
    """All events, each told once."""

    def __init__(self, _: str) -> None:
        self._told = 0

    def events(self, stop_after: float = 0) -> Iterator[JobEvent]:
        while self._told < len(_events):
            self._told += 1
            yield _events[self._told - 1]

    def close(self) -> None: ...


class Submit(dict[str, Any]):
    """A job to be submitted."""

    def issue_credentials(self) -> None: ...


class Submitted:
    def __init__(self, cluster: int) -> None:
        self._cluster = cluster

    def cluster(self) -> int:
        return self._cluster


class JobAction:
    Remove = "remove"


class Schedd:
    """The queue: every job starts at once."""

    _submitted = 0

    def submit(self, job: Submit) -> Submitted:
        Schedd._submitted += 1
        number = Schedd._submitted
        with Path(os.environ["POOL_LOG"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps({key: str(value) for key, value in job.items()}) + "\n")
        Path(job["log"]).touch()
        _events.append(JobEvent(number, JobEventType.SUBMIT))
        threading.Thread(target=_run, args=(number, dict(job)), daemon=True).start()
        return Submitted(number)

    def act(self, *_: Any) -> None: ...

    def query(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def history(self, *_: Any, **__: Any) -> list[Any]:
        return []


def _run(number: int, job: dict[str, Any]) -> None:
    sandbox = Path(tempfile.mkdtemp(prefix="pool-"))
    program = shutil.copy(job["executable"], sandbox / "condor_exec.exe", follow_symlinks=True)
    output, error = (job[key].replace("$(ClusterId)", str(number)) for key in ("output", "error"))
    _events.append(JobEvent(number, JobEventType.EXECUTE))
    with Path(output).open("wb") as out, Path(error).open("wb") as err:
        code = subprocess.call(
            [program, *job["arguments"].split()],
            cwd=sandbox,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": os.environ["PYTHONPATH"]},
            stdout=out,
            stderr=err,
        )
    ended = {"ReturnValue": code, "TerminatedNormally": code >= 0}
    _events.append(JobEvent(number, JobEventType.JOB_TERMINATED, **ended))
