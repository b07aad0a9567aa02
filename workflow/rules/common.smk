# The run: the checked configuration, the points, one run a folder, and what is said at the end.

import atexit
import gc
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from pathlib import Path

from snakemake.sourcecache import HostingProviderFile, LocalGitFile, LocalSourceFile

# When it ends, Python searches all that Snakemake has imported for cycles; measured: 0.4 s of 2.8 s.
atexit.register(gc.freeze)


def workflow_folder(basedir):
    """The folder `workflow`, from that of this file.

    Where Snakemake reads it out of a git repository, as by `module:` with a tag, the programs and
    modules need to be files: those of that commit are written to .snakemake/recontour/<commit>.
    """
    if isinstance(basedir, LocalSourceFile):
        return Path(basedir.path).parent
    if not isinstance(basedir, LocalGitFile | HostingProviderFile):
        sys.exit(
            f"error: {basedir}: import the workflow from a folder or a git repository"
        )
    local_git = isinstance(basedir, LocalGitFile)
    repository = basedir.repo_path if local_git else basedir.hosted_repo.repo_clone
    git = ["git", "-C", str(repository)]
    commit = subprocess.check_output(
        [*git, "rev-parse", f"{basedir.ref}^{{commit}}"], text=True
    )
    folder = Path(".snakemake/recontour", commit.strip())
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=folder.parent))
        files = subprocess.check_output([*git, "archive", commit.strip()])
        with tarfile.open(fileobj=io.BytesIO(files)) as archive:
            # before Python 3.11.4 there is no such filter, and extractall has no such argument
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(part)
        (part / "COMMIT").write_text(commit, encoding="utf-8")
        part.rename(folder)
    return folder / Path(basedir.path).parent


WORKFLOW = workflow_folder(workflow.current_basedir)
PROJECT = WORKFLOW.parent
# Snakemake remembers the paths of inputs: relative ones allow the project's folder to be moved.
if WORKFLOW.is_relative_to(Path.cwd()):
    WORKFLOW = WORKFLOW.relative_to(Path.cwd())
sys.path.insert(0, str(WORKFLOW.absolute()))

from recontour import batches, imports, planes, progress, seals, signals, workdir
from recontour import config as configuration
from recontour.errors import UserError, explanation, known, printable
from recontour.files import below, fingerprint

try:
    for path in filter(os.path.isfile, workflow.configfiles):
        configuration.check_keys(path)
    configuration.complete(config)
    configuration.check_results_folder("results")
    ANALYSES = config["analyses"]
    MIRRORS = {
        name: configuration.mirror(config, name, PROJECT, used=workflow.is_main_process)
        for name in ANALYSES
    }
    SCANS = configuration.scans(config, PROJECT)
    for scan in SCANS.values():
        batches.check_size([p.name for p in scan.points], config["points_per_job"])
    SIGNALS = {name: configuration.signal(config, name, PROJECT) for name in ANALYSES}
    PLANES = planes.planes(config, SCANS)
    CROSS_SECTIONS = configuration.cross_sections(config, PROJECT, SCANS)
except UserError as error:
    sys.exit(f"error: {printable(error)}")
except OSError as error:
    sys.exit(f"error: {printable(explanation(error))}")


def given_files():
    """What jobs take that no job has made."""
    yield from WORKFLOW.rglob("*.py")
    yield from (WORKFLOW / "report").iterdir()
    yield from (scan.table for scan in SCANS.values())
    yield from (Path(f) for own in SIGNALS.values() if own for f in signals.files(own))
    yield from (table.path for table in CROSS_SECTIONS.values() if table)


# Jobs on a cluster read this file, too; what follows is for the run that they belong to.
RUN = workdir.Run(jobs_elsewhere=workflow.resource_settings.nodes is not None)
ANOTHER_RUN = None
try:
    if not workflow.is_main_process:
        pass
    elif RUN.alone():
        dependents = {}
        for name in ANALYSES:
            owner = configuration.likelihood_of(config, name)
            dependents.setdefault(owner, []).append(name)
        for note in RUN.tidy(Path("results"), given_files(), dependents):
            print(f"note: {note}", file=sys.stderr)
    else:
        ANOTHER_RUN = RUN.other()
        print(f"note: {ANOTHER_RUN}", file=sys.stderr)
except OSError as error:
    sys.exit(f"error: {printable(explanation(error))}")


wildcard_constraints:
    analysis="|".join(map(re.escape, ANALYSES)),
    plane="|".join(map(re.escape, PLANES)),
    batch=batches.PATTERN,
    curve="(observed|expected|upper_limits)[a-z_]*",
    patch="([^/]+/)?[^/]+",


def begin():
    """Stop before the first job if another run worked here when this one was planned, of results that
    it may have changed and without a look at their seals; otherwise tell how far this one is. Dry
    runs do not come this far."""
    if ANOTHER_RUN:
        sys.exit(f"error: {ANOTHER_RUN}; wait until it has ended, and run again")
    for folder, paths in no_longer_drawn():
        for path in paths:
            seals.set_aside(path)
        print(
            f"note: {folder}: {', '.join(path.name for path in paths)}, drawn of more points than "
            "there are now, are kept as <name>.aside",
            file=sys.stderr,
        )
    for folder, paths in left_behind():
        print(
            f"note: {folder}: {', '.join(sorted(paths))} stay as they were made of earlier results; name "
            "them as targets, too, to make them anew",
            file=sys.stderr,
        )
    progress.write_plan(
        progress.Batch(job.output[0], job.params.journal, len(job.params.points))
        for job in workflow.dag.needrun_jobs()
        if "journal" in job.params.keys()
    )
    progress.show()


def made_now():
    """What the jobs of this run make."""
    return {output for job in workflow.dag.needrun_jobs() for output in job.output}


def outputs_of(among, **wildcards):
    """What these rules can make whose only wildcards are these, in the order of the rules."""
    outputs = [output for rule in among for output in rule.output]
    return [
        output.apply_wildcards(wildcards)
        for output in outputs
        if output.get_wildcard_names() == wildcards.keys()
    ]


def drawing():
    """The rules that make the contours of a plane, and those that take them."""
    return [
        r
        for r in workflow.rules
        if any(str(file).endswith("contours.json") for file in r.input + r.output)
    ]


def no_longer_drawn():
    """Folders and files of planes with too few points for a figure by now, where the table of CLs
    is made anew, and these, the contours and what takes them, were drawn of an older one.
    """
    made = made_now()
    for plane in PLANES.values():
        if not plane.can_draw and f"results/{plane.analysis}/cls.csv" in made:
            paths = map(Path, outputs_of(drawing(), plane=plane.folder))
            if there := [path for path in paths if path.exists()]:
                yield f"results/{plane.folder}", there


BEFORE_FITS = ("download/", "likelihood/", "points.csv")


def left_behind():
    """Folders of analyses whose table of CLs, or the contours of one of their planes, is made anew,
    and what was made of the old one in them on request and is not requested now."""
    made = made_now()
    for analysis in ANALYSES:
        folder, possible = f"results/{analysis}", set()
        anew = f"{folder}/cls.csv" in made
        if anew:
            possible.update(outputs_of(workflow.rules, analysis=analysis))
        for plane in PLANES.values():
            if plane.analysis == analysis and (
                anew or f"results/{plane.folder}/contours.json" in made
            ):
                among = workflow.rules if anew else drawing()
                possible.update(outputs_of(among, plane=plane.folder))
        names = [
            os.path.relpath(path, folder)
            for path in possible - made
            if os.path.exists(path)
        ]
        if old := [name for name in names if not name.startswith(BEFORE_FITS)]:
            yield folder, old


TARGETS = ("exports", "report", "upper_limits")
UNKNOWN = rf"[A-Za-z0-9_-]+|results/((?!({'|'.join(map(re.escape, ANALYSES))})/)[^/]+/.+|[^/]+)"


def refuse(wildcards):
    """End with the valid names, where a user asks for what matches `UNKNOWN`."""
    name = wildcards.unknown
    if os.path.exists(name) and name not in workflow.dag_settings.targets:
        return "what no rule makes"  # then Snakemake takes the user's file as it is
    folder, _, file = name.removeprefix("results/").partition("/")
    try:
        if file:
            known(folder, ANALYSES, f"target {name}: analysis")
        known(name, [*ANALYSES, *TARGETS], "target")
    except UserError as error:
        sys.exit(f"error: {printable(error)}")


def logs_of_this_run(ending):
    """The lines of logs, by the `ending` of their names, that jobs of this run have written."""
    for log in sorted(path for path in below("results") if "logs" in path.parts):
        if log.name.endswith(ending) and log.stat().st_mtime >= RUN.began:
            yield from log.read_text(encoding="utf-8", errors="replace").splitlines()


def show_results(complete):
    """Print what the analyses of this run found, and what went wrong, as the very last: Snakemake
    writes some lines more when this returns."""
    lines = list(logs_of_this_run(".log"))
    summaries = list(logs_of_this_run("summary.log"))
    errors = dict.fromkeys(line for line in lines if line.startswith("error: "))
    found = [line for line in summaries if line not in errors]
    print("", *found, "", sep="\n", file=sys.stderr)
    if shutil.disk_usage("results").free < 1_000_000:  # then logs are empty, too
        errors["error: no room left on the disk that holds the folder results"] = None
    elif not complete and not errors:
        errors[
            "error: stopped before any job said why: by the user, or by the system, as when memory "
            "or time run out; what Snakemake knows of it stands above. The same command goes on "
            "from here"
        ] = None
    if errors:
        atexit.register(print, "", *errors, sep="\n", file=sys.stderr)
    # Snakemake's scheduler looks again a second after it has started a job, the last one, too, and
    # the process would wait for that before it ends.
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
