"""Runs of Snakemake without its start: a process that has imported it forks for each of them.

Each run is a process of its own, which goes through `python -m snakemake` as any other does; only
the import, most of what a run costs that has nothing to do, is done once for all tests of a worker.
What shares it, besides modules, is the seed of hashes: an order that depends on it can differ only
from that of runs that start anew, such as those of conftest.py, of which many tests take a copy.
"""

from __future__ import annotations

import functools
import json
import os
import runpy
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def run(
    folder: Path, arguments: Sequence[str], environment: Mapping[str, str], timeout: float
) -> tuple[int, str]:
    """Run `python -m snakemake` with these arguments; its exit status, and what it printed."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as output:
        request = [str(folder), [*arguments], dict(environment), output.name]
        server = _server()
        print(json.dumps(request), file=server.stdin, flush=True)
        if not select.select([server.stdout], [], [], timeout)[0]:
            server.kill()
            _server.cache_clear()
            raise subprocess.TimeoutExpired([*arguments], timeout, output.read())
        return int(server.stdout.readline()), output.read()


@functools.cache
def _server() -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, __file__], text=True, **pipes)


def _serve() -> None:
    """Fork for each request, and say how the run ended. Returns in each fork, and at the end."""
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            _become(*json.loads(line))
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)


def _become(folder: str, arguments: list[str], environment: dict[str, str], output: str) -> None:
    """Make this process what Python is when it begins with `-m snakemake`."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_APPEND), stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv = ["snakemake", *arguments]


if __name__ == "__main__":
    import snakemake.cli

    snakemake.cli.get_argument_parser()  # imports all plugins
    _serve()
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
