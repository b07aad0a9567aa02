"""What all command-line programs of the workflow share."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TextIO

from recontour import processes
from recontour.errors import UserError, explanation, printable

# Look for reference cycles only after so many new lists, dicts and the like: there are none in
# JSON and models, and Python's own limit, 700, costs 1 to 2 ms a signal point, and 0.1 s in the
# imports of contour.py. Do not look for them at the end: that took 0.15 s in plot.py.
gc.set_threshold(100_000)
atexit.register(gc.freeze)


def main(function: Callable[[], None]) -> NoReturn:
    """Run a program's `function` and exit: 0 when it returns; 1 with a one-paragraph `error: …`
    on stderr when it raises UserError or OSError (unwritable folder, full disk), or, after the
    traceback, anything else, which is a fault of the program; 130 after Ctrl-C, and 1 when what
    reads its output has ended, without a word."""
    parent = os.environ.get("RECONTOUR_PARENT")
    if parent:  # a job of a run that was killed must not write among those of the next
        processes.end_with(int(parent))
    sys.stdout, sys.stderr = _Escaped(sys.stdout), _Escaped(sys.stderr)
    try:
        try:
            function()
        finally:
            sys.stdout.flush()  # here, and not at the end of Python, where nothing is caught
    except KeyboardInterrupt:
        sys.exit(130)
    except UserError as error:
        message = str(error)
    except OSError as error:
        message = explanation(error)
    except MemoryError:
        message = f"{Path(sys.argv[0]).stem}: no memory left for this job; give it more"
    except Exception as error:
        traceback.print_exc()
        program = Path(sys.argv[0]).stem
        log = f"the log of {program}, in the folder logs of the results"
        message = (
            f"{program}: {type(error).__name__}: {error}: a fault of the program; please report it "
            f"with {log if parent else 'what is printed above'}"
        )
    else:
        sys.exit(0)
    print(f"error: {printable(message)}", file=sys.stderr)
    sys.exit(1)


class _Escaped(io.TextIOBase):
    """A stream, and so a log, in which no content of a file can steer a terminal, and what its
    encoding cannot express, as ± in ASCII, is escaped, too. Where nobody reads it any more, as
    after `| head`, the program exits, and what Python still writes at its end goes nowhere."""

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        self._stream = stream

    def write(self, text: str) -> int:
        with self._read():
            self._stream.write("\n".join(map(printable, text.split("\n"))))
        return len(text)

    def flush(self) -> None:
        with self._read():
            self._stream.flush()

    @contextmanager
    def _read(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            sys.exit(1)
