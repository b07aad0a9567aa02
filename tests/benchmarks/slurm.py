"""What a Slurm cluster costs beyond the fits, for the 125 points of 1Lbb in jobs of several sizes:

python tests/benchmarks/slurm.py MIRROR SCRATCH

`run` is the whole run on the cluster; `over` what it takes longer than a run without one, a point;
`held` how much longer than models and fits take (in CPU time) their jobs held a node, a point. The
first line is the profile as it is. Needs root.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import slurm_cluster
from recontour import journal
from running import clone

POINTS = 125
AS_IT_IS = "automatic"
SIZES = (AS_IT_IS, 125, 63, 32, 16, 8)


def timed(folder: Path, *arguments: str) -> float:
    """Seconds that a run of 1Lbb takes in `folder`, a new clone."""
    clone(folder)
    start = time.monotonic()
    command = [sys.executable, "-m", "snakemake", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.monotonic() - start


def holding(jobs: list[slurm_cluster.Job]) -> float:
    """Seconds that jobs held their nodes, together."""
    times = [(datetime.fromisoformat(j.started), datetime.fromisoformat(j.ended)) for j in jobs]
    return sum((ended - started).total_seconds() for started, ended in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mirror", type=Path)
    parser.add_argument("scratch", type=Path, help="folder for the runs, which is made")
    options = parser.parse_args()
    mirror = f"mirror={options.mirror.resolve()}"
    local = timed(options.scratch / "local", "--cores", "2", "--config", mirror)
    print(f"without a cluster, on two cores: {local:.1f} s")
    print("| points a job | jobs of fits | run [s] | over [s] | held [s] |")
    print(5 * "| --- " + "|")
    daemons = options.scratch / "cluster"
    daemons.mkdir()
    with slurm_cluster.cluster(daemons.resolve()):
        for size in SIZES:
            folder = options.scratch / str(size)
            profile = ["--workflow-profile", "profiles/slurm", *slurm_cluster.SMALL]
            if size == AS_IT_IS:
                arguments = ["--config", mirror]
            else:
                single = ["--group-components", "fits=1"]
                arguments = [*single, "--config", mirror, f"points_per_job={size}"]
            wall = timed(folder, *profile, *arguments)
            own = [job for job in slurm_cluster.jobs() if Path(job.folder) == folder.resolve()]
            fits = [job for job in own if "hypotest" in job.rule]
            fitting = sum(journal.seconds(folder / "results/1Lbb/journal/hypotest").values())
            over, held = wall - local, holding(fits) - fitting
            row = (
                f"{size} | {len(fits)} | {wall:.0f}",
                f"{over / POINTS:.2f}",
                f"{held / POINTS:.2f}",
            )
            print("|", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    main()
