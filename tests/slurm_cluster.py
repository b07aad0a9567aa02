"""A Slurm cluster on this machine: its daemons, and virtual nodes on loopback."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

CONF = Path("/etc/slurm/slurm.conf")
"""Where commands inside a job look, whatever SLURM_CONF says where the job was submitted."""

OURS = "# A cluster of recontour's tests, which remove it.\n"

CONFIGURATION = """
ClusterName=recontour
SlurmctldHost=localhost
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=1
SchedulerParameters=sched_interval=1
SlurmdParameters=config_overrides
MinJobAge=86400
KillWait=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
NodeName=n[1-3] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[16818-16820] CPUs=1 RealMemory=4000
PartitionName=all Nodes=ALL Default=YES State=UP
"""

NODES = ("n1", "n2", "n3")

SMALL = ("--slurm-init-seconds-before-status-checks=5", "--latency-wait=5")
"""What spares waiting where all nodes are one machine."""


@dataclass(frozen=True)
class Job:
    """What Slurm says of a job. `rule` is the comment that Snakemake's plugin gives it, `folder`
    that of the run; `started` and `ended` are local times, to the second."""

    number: str
    state: str
    rule: str
    node: str
    memory: str
    time_limit: str
    started: str
    ended: str
    folder: str


def jobs() -> list[Job]:
    """All jobs of the cluster, those that have ended too, in the order of their submission."""
    form = "--format=%i|%T|%k|%N|%m|%l|%S|%e|%Z"
    lines = _output("squeue", "--states=all", "--noheader", "--sort=i", form)
    return [Job(*line.split("|")) for line in lines.splitlines()]


def cancel(job: Job) -> None:
    _output("scancel", job.number)


def set_node(node: str, state: str) -> None:
    """Change a node's state: `down` ends its jobs, `drain` gives it no further ones."""
    _output("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """A cluster of three nodes of one core each, with its files in `folder`. Skips the test where
    there can be none."""
    _install()
    if CONF.exists() and not CONF.read_text(encoding="utf-8").startswith(OURS):
        pytest.skip(f"{CONF} belongs to another cluster")
    with ExitStack() as stack:
        lock = stack.enter_context((CONF.parent / "recontour.lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)  # one cluster at a time on a machine
        (folder / "state").mkdir()
        CONF.write_text(OURS + CONFIGURATION.format(folder=folder), encoding="utf-8")
        stack.callback(CONF.unlink)

        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        files = {"pid-file": "pid", "seed-file": "seed", "log-file": "log", "socket": "socket"}
        munged = ["munged", "--foreground", "--force", f"--key-file={key}"]
        munged += [f"--{option}={folder}/munge.{name}" for option, name in files.items()]
        stack.enter_context(_daemon(munged, folder))
        _wait_for(lambda: (folder / "munge.socket").exists(), folder)
        stack.enter_context(_daemon(["slurmctld", "-D"], folder))
        for node in NODES:
            stack.enter_context(_daemon(["slurmd", "-D", "-N", node], folder))
        _wait_for(_idle, folder)
        stack.callback(_output, "scancel", "--user=root")
        yield


def _install() -> None:
    """Install Debian's packages of Slurm and munge, if they are not there."""
    if os.geteuid() != 0:
        pytest.skip("needs root to start Slurm's daemons")
    if shutil.which("slurmctld") and shutil.which("munged"):
        return
    if not shutil.which("apt-get"):
        pytest.skip("needs apt-get to install Slurm")
    apt = ["apt-get", "--quiet=2", "--option", "DPkg::Lock::Timeout=120"]
    packages = ["--yes", "--no-install-recommends", "slurm-wlm", "munge"]
    for command in ([*apt, "update"], [*apt, "install", *packages]):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Slurm cannot be installed: {done.stderr.strip()[-300:]}")


@contextmanager
def _daemon(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / "daemons.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _idle() -> bool:
    command = ["sinfo", "--Node", "--noheader", "--format=%T"]
    states = subprocess.run(command, capture_output=True, text=True, check=False)
    return states.stdout.split() == ["idle"] * len(NODES)


def _wait_for(condition: Callable[[], bool], folder: Path) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    logs = "".join(log.read_text(encoding="utf-8")[-1500:] for log in folder.glob("*.log"))
    pytest.fail(f"the cluster's daemons did not start: {logs}")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
