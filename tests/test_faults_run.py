"""What may happen to a run and its folder: SIGKILL, damage, a clock set back, a second run, a full
or read-only disk. The next run finishes, with results byte-identical to an undisturbed run's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import ROOT, clone, snakemake
from small_search import write, write_config

RESULTS = ("cls.csv", "cls.json", "harvest.json", "contours.json", "comparison.json")
FIGURE = ("exclusion.png", "exclusion.pdf", "provenance.json", "report.html", "summary.txt")
TIMED = {"logs", "journal", "report.html"}  # what holds times differs from run to run


def start(folder: Path, *targets: str) -> subprocess.Popen[bytes]:
    """A run in a process group of its own, its output in the file `output`."""
    profile = ["--workflow-profile", str(ROOT / "profiles/default")]
    command = ["-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *profile, "--cores", "2"]
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, *command, *targets],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def made(folder: Path, analysis: str = "small") -> dict[str, bytes]:
    results = folder / "results" / analysis
    return {name: (results / name).read_bytes() for name in RESULTS}


def finishes(folder: Path, expected: dict[str, bytes], *targets: str) -> str:
    """Run to the end; what comes out must be `expected`. Returns the run's output."""
    run = snakemake(folder, *targets)
    assert run.returncode == 0, run.stdout
    (analysis,) = targets or ("small",)
    assert made(folder, analysis) == expected
    assert all((folder / "results" / analysis / name).stat().st_size > 0 for name in FIGURE)
    return run.stdout


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.005)


@pytest.fixture
def copy(finished_small: Path, tmp_path: Path) -> Path:
    """A copy of the undisturbed run, with its times."""
    return Path(shutil.copytree(finished_small, tmp_path / "copy"))


def test_every_result_is_sealed(finished_small: Path) -> None:
    results = finished_small / "results" / "small"
    hidden = {path for path in results.rglob("*") if path.name.startswith(".")}
    unsealed = {
        path.relative_to(results).parts[0]
        for path in results.rglob("*")
        if path.is_file() and path not in hidden
        if not any(at.with_name(f".{at.name}.sha256") in hidden for at in (path, path.parent))
    }
    assert unsealed == {"logs", "journal"}


@pytest.mark.long
def test_a_killed_run_leaves_no_lock_that_somebody_must_remove(
    tmp_path: Path, finished_small: Path
) -> None:
    write(tmp_path)
    run = start(tmp_path)
    wait_for(tmp_path / "results/small/hypotest")
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert list((tmp_path / ".snakemake/locks").iterdir()) != []
    finishes(tmp_path, made(finished_small))


@pytest.mark.long
def test_the_summary_comes_after_a_kill_between_the_figure_and_it(
    tmp_path: Path, finished_small: Path
) -> None:
    """Snakemake 9.27 ended with success and without a summary, while that took the figure, which
    exists and is made again, as an ancient input."""
    write(tmp_path)
    run = start(tmp_path)
    wait_for(tmp_path / "results/small/.exclusion.pdf.sha256")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not (tmp_path / "results/small/summary.txt").exists()
    finishes(tmp_path, made(finished_small))


@pytest.mark.long
def test_of_two_runs_in_one_folder_one_stops_with_a_clear_word(
    tmp_path: Path, finished_small: Path
) -> None:
    write(tmp_path)
    first = start(tmp_path)
    lock = tmp_path / ".snakemake/recontour.lock"
    wait_for(lock)
    while not lock.read_text(encoding="utf-8"):  # it is there before it is held
        time.sleep(0.005)
    os.kill(first.pid, signal.SIGSTOP)  # or it might end before the second begins
    second = snakemake(tmp_path)
    os.kill(first.pid, signal.SIGCONT)
    assert second.returncode != 0
    assert f"another run of Snakemake (process {first.pid} on " in second.stdout
    assert "Traceback" not in second.stdout
    assert first.wait() == 0
    finishes(tmp_path, made(finished_small))


def test_a_run_does_not_go_on_that_was_planned_while_another_one_worked(copy: Path) -> None:
    (copy / "results/small/summary.txt").unlink()
    lock = (copy / ".snakemake/recontour.lock").open("a", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX)
    second = start(copy)
    end = time.monotonic() + 60
    while b"note: another run" not in (copy / "output").read_bytes():
        assert time.monotonic() < end
        time.sleep(0.005)
    lock.close()
    assert second.wait() != 0
    assert "; wait until it has ended, and run again" in (copy / "output").read_text()
    assert not (copy / "results/small/summary.txt").exists()
    assert snakemake(copy).returncode == 0


def flip_a_bit(path: Path) -> None:
    """Damage that no time of modification betrays."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("file", ["hypotest/1-12.jsonl"])
def test_a_damaged_result_is_made_again_with_all_that_may_come_from_it(
    copy: Path, finished_small: Path, file: str
) -> None:
    flip_a_bit(copy / "results/small" / file)
    out = finishes(copy, made(finished_small))
    sealed = "likelihood/members" if "members" in file else file
    assert f"note: results/small/{sealed} is not as it was made" in out
    for path in (finished_small / "results/small").rglob("*"):
        again = copy / path.relative_to(finished_small)
        if path.is_file() and not TIMED & {*path.parts} and path.suffix != ".json":
            assert again.read_bytes() == path.read_bytes() or path.name.startswith("."), path
    assert "Nothing to be done" in snakemake(copy).stdout


@pytest.mark.long
@pytest.mark.parametrize(
    "file",
    [
        "download/likelihood.archive",
        "download/likelihood.json",
        "download/observed.csv",
        "likelihood/members/BkgOnly.json",
        "likelihood/members/patchset.json",
        "likelihood/patches.csv",
        "likelihood/verification.json",
        *RESULTS,
        *FIGURE,
    ],
)
def test_damage_anywhere_is_found_and_repaired(copy: Path, finished_small: Path, file: str) -> None:
    test_a_damaged_result_is_made_again_with_all_that_may_come_from_it(copy, finished_small, file)


@pytest.mark.long
def test_a_patchset_that_is_damaged_in_mid_run_stops_the_fits_and_is_unpacked_again(
    tmp_path: Path, finished_small: Path
) -> None:
    write(tmp_path)
    assert snakemake(tmp_path, "results/small/likelihood/patches.csv").returncode == 0
    results = tmp_path / "results/small"
    (results / "likelihood/.members.sha256").unlink()  # as if the damage came after the check
    flip_a_bit(results / "likelihood/members/patchset.json")
    run = snakemake(tmp_path)
    assert run.returncode != 0 and "were verified: the file changed" in run.stdout
    assert not (results / "cls.csv").exists()


@pytest.mark.long
def test_files_from_the_future_do_not_stop_a_run(copy: Path, finished_small: Path) -> None:
    """As if the clock had been set back by a day after these files were made."""
    for path in (copy / "results").rglob("*"):
        changed = path.stat().st_mtime_ns + 86_400 * 10**9
        os.utime(path, ns=(changed, changed))
    (copy / "results/small/cls.csv").unlink()
    (copy / "results/small/summary.txt").unlink()
    out = finishes(copy, made(finished_small))
    assert "were younger than the clock says" in out


def test_no_file_that_jobs_take_stays_in_the_future(tmp_path: Path) -> None:
    """As Snakemake refuses what is made from it."""
    settings, project = write(tmp_path), clone(tmp_path / "project")
    settings["analyses"]["mine"] = {
        "background_of": "small",
        "signal": {"patches": "patches", "table": "points.csv"},
        "cross_sections": "theory.csv",
    }
    write_config(tmp_path, settings)
    theory = tmp_path / "theory.csv"
    theory.write_text("m1,cross_section_pb\n200,4\n300,1\n400,0.5\n500,0.25\n", encoding="utf-8")
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches/a.json").write_text("[]", encoding="utf-8")
    given = [theory, tmp_path / "points.csv", tmp_path / "patches/a.json"]
    given += [*(project / "workflow/report").iterdir(), project / "workflow/scripts/page.py"]
    for path in given:
        os.utime(path, (time.time() + 3600, time.time() + 3600))
    run = snakemake(tmp_path, "-n", "small", "mine", project=project)
    assert f"{len(given)} files were younger than the clock says" in run.stdout
    assert [path for path in given if path.stat().st_mtime > time.time()] == []


@pytest.mark.long
def test_a_clock_that_is_set_back_in_mid_run(tmp_path: Path, finished_small: Path) -> None:
    write(tmp_path)
    run = start(tmp_path)
    verified = tmp_path / "results/small/likelihood/.verification.json.sha256"
    wait_for(verified)
    for path in verified.parent.rglob("*"):
        os.utime(path, (time.time() + 3600, time.time() + 3600))
    run.wait()
    finishes(tmp_path, made(finished_small))


def in_a_mount_namespace(script: str, folder: Path) -> str:
    """Run a shell script that may mount what nobody else sees; `sm` in it runs the workflow."""
    profile = f"--workflow-profile {ROOT / 'profiles/default'} --snakefile {ROOT / 'Snakefile'}"
    sm = f"sm() {{ {sys.executable} -m snakemake {profile} --cores 2 $* > output 2>&1; }}\n"
    test = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    if test.returncode:
        pytest.skip("needs the right to mount a file system in a namespace of its own")
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", sm + script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


STAGES = [
    "results/small/download/likelihood.archive",
    "results/small/likelihood/patches.csv",
    "results/small/hypotest/1-12.jsonl",
    "results/small/cls.csv",
    "results/small/contours.json",
    "results/small/comparison.json",
    "results/small/exclusion.png",
    "results/small/provenance.json",
    "results/small/summary.txt",
]


@pytest.mark.long
def test_a_disk_that_is_full_at_a_stage(tmp_path: Path, finished_small: Path) -> None:
    """At each stage in turn: what it was to make is not there, and is made once there is room."""
    write(tmp_path)
    out = in_a_mount_namespace(
        f"""
        mkdir results && mount -t tmpfs -o size=8m tmpfs results || exit 1
        for stage in {" ".join(STAGES)}; do
            echo "full before $stage"
            cat /dev/zero > results/filler 2> /dev/null
            sm && exit 3
            cat output
            [ -e $stage ] && exit 4
            rm results/filler
            sm $stage || exit 5
        done
        sm || exit 6
        cp -r results finished
        """,
        tmp_path,
    )
    _, *outputs = out.split("full before ")
    for stage, output in zip(STAGES, outputs, strict=True):
        assert output.startswith(stage)
        assert "no room left" in output and "Traceback" not in output, output
    (tmp_path / "results").rmdir()
    (tmp_path / "finished").rename(tmp_path / "results")
    assert made(tmp_path) == made(finished_small)


@pytest.mark.long
def test_results_on_a_read_only_disk(copy: Path, finished_small: Path) -> None:
    out = in_a_mount_namespace(
        "mount --bind results results && mount -o remount,bind,ro results || exit 1\n"
        "sm --forcerun plot && exit 2\ncat output",
        copy,
    )
    assert "error: results folder results: no permission to write in" in out
    finishes(copy, made(finished_small))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_sigkill_at_random_moments(
    tmp_path_factory: pytest.TempPathFactory, seed: int, demo: dict[str, bytes]
) -> None:
    """Four kills each: of Snakemake, of all its processes, or of a program; then a whole run."""
    folder = tmp_path_factory.mktemp(f"killed-{seed}")
    moment = random.Random(seed)
    kills = 0
    while kills < 4:
        if (folder / "results/demo/summary.txt").exists():  # nothing is left to be killed
            finishes(folder, demo, "demo")
            shutil.rmtree(folder / "results")
        run = start(folder, "demo")
        time.sleep(moment.uniform(0.5, 4.0))
        kills += kill(run, moment.choice(["snakemake", "all", "program"]))
        for name in RESULTS:
            path = folder / "results/demo" / name
            assert not path.exists() or path.read_bytes() == demo[name]
    finishes(folder, demo, "demo")


def kill(run: subprocess.Popen[bytes], what: str) -> bool:
    """Kill a run, or its programs, if it has any. False if the run was over."""
    if run.poll() is not None:
        return False
    children = Path(f"/proc/{run.pid}/task").glob("*/children")
    programs = [int(pid) for path in children for pid in path.read_text().split()]
    if what == "program" and programs:
        for pid in programs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    elif what == "snakemake":
        os.kill(run.pid, signal.SIGKILL)
    else:
        os.killpg(run.pid, signal.SIGKILL)
    run.wait(60)
    return True


@pytest.fixture
def demo(finished_demo: Path) -> dict[str, bytes]:
    return made(finished_demo, "demo")


@pytest.mark.long
def test_sigkill_of_the_published_scan(tmp_path: Path, mirror: Path, finished_1lbb: Path) -> None:
    """1Lbb, killed three times; the undisturbed run has other batches and two cores."""
    killed = ["1Lbb", "--config", f"mirror={mirror}", "points_per_job=50", "--cores", "1"]
    moment = random.Random(1)
    for _ in range(3):
        process = start(tmp_path, *killed)
        time.sleep(moment.uniform(2.0, 4.0))
        assert kill(process, moment.choice(["snakemake", "all"]))
    run = snakemake(tmp_path, *killed)
    assert run.returncode == 0, run.stdout
    assert made(tmp_path, "1Lbb") == made(finished_1lbb, "1Lbb")


@pytest.mark.long
def test_a_run_that_is_killed_half_way_repeats_no_fit(
    tmp_path: Path, demo: dict[str, bytes]
) -> None:
    """Each row that a killed job had noted is taken from the journal: with two processes, one fit
    each can be lost."""
    journals = tmp_path / "results/demo/journal/hypotest"

    def noted() -> int:
        return sum(path.read_text().count("\nrow ") for path in journals.glob("*.rows"))

    one_job = ["demo", "--config", "points_per_job=100"]
    run = start(tmp_path, *one_job)
    while noted() < 20:
        assert run.poll() is None
        time.sleep(0.001)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    before = noted()
    assert before < 56
    assert snakemake(tmp_path, *one_job).returncode == 0
    assert made(tmp_path, "demo") == demo
    assert noted() <= 56 + 1
