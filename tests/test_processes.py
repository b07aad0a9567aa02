"""Processes that share work."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest
from recontour.processes import shared
from running import ROOT


def test_results_keep_the_order_of_the_items() -> None:
    numbers = range(-50, 50)
    assert shared(abs, iter(numbers), 2) == [abs(n) for n in numbers]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends processes with their parent")
def test_none_outlives_a_program_that_is_killed() -> None:
    code = "import time; from recontour.processes import shared; shared(time.sleep, [60] * 32, 2)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as program:
        deadline, parent = time.monotonic() + 20.0, psutil.Process(program.pid)
        while len(workers := parent.children()) < 2:
            assert time.monotonic() < deadline, "no processes started"
            time.sleep(0.02)
        program.kill()
    assert psutil.wait_procs(workers, timeout=10.0)[1] == []
