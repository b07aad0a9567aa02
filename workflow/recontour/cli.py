"""What all command-line programs of the workflow share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from recontour.errors import UserError, printable


def main(function: Callable[[], None]) -> NoReturn:
    """Run a program's `function` and exit: 0 when it returns; 1 with a one-paragraph `error: …`
    on stderr when it raises UserError or OSError (unwritable folder, full disk)."""
    try:
        function()
    except UserError as error:
        message = str(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message = (
            f"{where}{error.strerror or error}; make sure that the folder exists, can be read and "
            "written, and has room, then run again"
        )
    else:
        sys.exit(0)
    print(f"error: {printable(message)}", file=sys.stderr)
    sys.exit(1)
