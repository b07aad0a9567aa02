# What rules take, as functions of wildcards: how a program is called, its inputs and parameters.

import functools
import hashlib
import json
import os
import shlex
from importlib.metadata import version


def run(wildcards, output):
    """How jobs start the programs of this workflow: `{params.run}/verify.py …`.

    Snakemake may be called by its path, without its environment being activated; then its own Python
    runs them. In a conda environment or container, it is the Python there. With `output` among the
    arguments, Snakemake takes the parameter for derived, and no reason to repeat a job.
    """
    deployed = workflow.deployment_settings.deployment_method
    python = "python" if deployed else sys.executable
    program = shlex.join([f"PYTHONPATH={WORKFLOW}", python, f"{WORKFLOW}/scripts"])
    # In place of the shell, so that the program is Snakemake's child, and ends with it (cli.main).
    return f"exec env RECONTOUR_PARENT=$PPID {program}"


def code(script):
    """A program of workflow/scripts and the modules that it imports, as input: what a change in
    them changes is computed anew."""
    return [
        local(str(p)) for p in imports.sources(WORKFLOW / "scripts" / script, WORKFLOW)
    ]


def setting(*keys):
    """What the config says about the job's analysis under these keys."""

    def value(wildcards):
        entry = ANALYSES[wildcards.analysis]
        for key in keys:
            entry = entry[key]
        return as_argument(entry)

    return value


def plane_setting(field, *keys):
    """The same about the job's plane, from a field of `planes.Plane`; keys may hold wildcards."""

    def value(wildcards):
        entry = getattr(PLANES[wildcards.plane], field)
        for key in keys:
            entry = entry[key.format(**wildcards)]
        return as_argument(entry)

    return value


def as_argument(value):
    return value if isinstance(value, str) else json.dumps(value)


def title(wildcards):
    """The title of the job's plane."""
    return ANALYSES[PLANES[wildcards.plane].analysis]["title"]


def category(name):
    """A title, as a function of wildcards, as a category of Snakemake's report: without the braces of
    TeX, in which Snakemake would look for wildcards."""

    def value(wildcards):
        return name(wildcards).replace("{", "").replace("}", "")

    return value


def mirror(wildcards, output):
    """The mirror of the job's analysis. With `output` among the arguments, Snakemake takes this
    parameter for derived: the same file from another place is no reason to fetch it again.
    """
    return MIRRORS[wildcards.get("analysis") or PLANES[wildcards.plane].analysis]


def network(wildcards, output):
    return json.dumps(config["network"])


def archive_limits(wildcards, output):
    return json.dumps(config["archive_limits"])


def regions(wildcards):
    """The signal regions of the job's likelihood, without their patches if a user's own signals take
    their place."""
    parts = configuration.regions(ANALYSES[wildcards.analysis]["likelihood"])
    if SIGNALS[wildcards.analysis]:
        own = ("background", "background_digest")
        parts = {name: {key: part[key] for key in own} for name, part in parts.items()}
    return json.dumps(parts)


def backgrounds(wildcards):
    """The backgrounds' files, by signal region."""
    parts = configuration.regions(ANALYSES[wildcards.analysis]["likelihood"])
    return json.dumps({region: part["background"] for region, part in parts.items()})


def archive(wildcards):
    """The archive with the likelihood of an analysis; with `background_of`, another one's."""
    analysis = configuration.likelihood_of(config, wildcards.analysis)
    return f"results/{analysis}/download/likelihood.archive"


def points_given(wildcards):
    """The table of points of an analysis, if it is given and not made from its signal."""
    own = SIGNALS[wildcards.analysis]
    made = own and not own["table"]
    return [] if made else [local(str(SCANS[wildcards.analysis].table))]


def points_table(wildcards):
    """The table of points of an analysis, given or made."""
    return points_given(wildcards) or [f"results/{wildcards.analysis}/points.csv"]


def signal(wildcards):
    """The user's own signal of an analysis, empty if it has the published ones."""
    return json.dumps(SIGNALS[wildcards.analysis])


def signal_files(wildcards):
    own = SIGNALS[wildcards.analysis]
    return [local(file) for file in signals.files(own)] if own else []


content = functools.cache(fingerprint)

# Other ones compute other digits. In an environment or image, they are not those beside Snakemake.
NUMERICS = (
    ""
    if workflow.deployment_settings.deployment_method
    else " ".join(f"{name} {version(name)}" for name in ("numpy", "scipy"))
)


def contents(*given):
    """What tells apart the contents of a user's files, as a parameter: Snakemake compares times of
    change, and a file that takes the place of another may be the older one."""

    def value(wildcards):
        paths = [path for files in given for path in files(wildcards)]
        return " ".join(content(str(path)) for path in paths)

    return value


def code_contents(script):
    """What tells apart the contents of a program and of the modules that it imports; these may be
    replaced by older files, too."""
    paths = imports.sources(WORKFLOW / "scripts" / script, WORKFLOW)
    sums = " ".join(content(str(path)) for path in paths)
    return hashlib.sha256(sums.encode()).hexdigest()


def wanted(wildcards):
    return json.dumps(SCANS[wildcards.analysis].wanted)


def batched(folder):
    """The results of the batches that make up the scan, in a folder of the analysis' results."""

    def files(wildcards):
        points = len(SCANS[wildcards.analysis].points)
        path = f"results/{wildcards.analysis}/{folder}"
        return batches.files(path, points, config["points_per_job"])

    return files


def batches_folder(wildcards, input):
    """The folder of a job's batches: a command that lists thousands of them is too long for Linux."""
    return os.path.dirname(input.batches[0])


def points_per_job(wildcards, output):
    """What says, with the number of points, how batches are called; derived, like `run`."""
    return config["points_per_job"]


def batch_points(wildcards):
    """The names of a batch's points."""
    batch = batches.members(SCANS[wildcards.analysis].points, wildcards.batch)
    return [point.name for point in batch]


def drawn_planes(analysis):
    """The planes of an analysis that hold enough of the selected points to be drawn."""
    return [p for p in PLANES.values() if p.analysis == analysis and p.can_draw]


def of_planes(*files):
    """These files of each plane of the job's analysis that can be drawn."""

    def paths(wildcards):
        folders = [plane.folder for plane in drawn_planes(wildcards.analysis)]
        return expand("results/{plane}/{file}", plane=folders, file=files)

    return paths


def of_analysis(file):
    """This file of the analysis that the job's plane is a part of."""

    def path(wildcards):
        return f"results/{PLANES[wildcards.plane].analysis}/{file}"

    return path


def plane_labels(wildcards):
    """The lines beside the title of each plane of the job's analysis that can be drawn."""
    return json.dumps([plane.labels for plane in drawn_planes(wildcards.analysis)])


def headings(wildcards):
    """What is known of the labels of the points, from the axes of the analysis' planes."""
    own = [plane for plane in PLANES.values() if plane.analysis == wildcards.analysis]
    return json.dumps(planes.headings(own))


def published_tables(wildcards):
    """The published contours of a plane, as CSV files."""
    return expand(
        "results/{plane}/download/{curve}.csv",
        plane=wildcards.plane,
        curve=PLANES[wildcards.plane].curves,
    )


def published_limits(wildcards):
    """The published table of upper limits of a plane, if there is one."""
    if "upper_limits" not in PLANES[wildcards.plane].published:
        return []
    return f"results/{wildcards.plane}/download/upper_limits.csv"


def cross_sections(wildcards):
    """The table of theory cross-sections of an analysis, if there is one."""
    table = CROSS_SECTIONS[wildcards.analysis]
    return [] if table is None else [local(str(table.path))]


def cross_sections_to_vary(wildcards):
    """The same table, if it holds uncertainties by which signals can be varied."""
    table = CROSS_SECTIONS[wildcards.analysis]
    return cross_sections(wildcards) if table and table.has_uncertainty else []


def tables(wildcards):
    """The tables that are given beside the config."""
    return [*points_table(wildcards), *cross_sections(wildcards)]


def download_records(wildcards):
    """What was fetched for an analysis, and from where."""
    analysis = configuration.likelihood_of(config, wildcards.analysis)
    return [f"results/{analysis}/download/likelihood.json"] + [
        f"results/{plane.folder}/download/{curve}.json"
        for plane in drawn_planes(wildcards.analysis)
        for curve in plane.curves
    ]


def region_results(wildcards):
    """The results of every signal region, if there are several."""
    several = ANALYSES[wildcards.analysis]["likelihood"]["regions"]
    return f"results/{wildcards.analysis}/cls_regions.csv" if several else []


def plane_of_points(wildcards):
    """What says where the points lie in the plane of the axes."""
    if not PLANES[wildcards.plane].can_draw:
        return []
    return [
        of_analysis("cls.csv")(wildcards),
        f"results/{wildcards.plane}/contours.json",
    ]


def limits_figure(wildcards):
    plane = PLANES[wildcards.plane]
    if not plane.can_draw:
        return []
    return f"results/{plane.folder}/limits.png"


def known_limits(wildcards):
    """The upper limits of the job's plane, if they have been computed."""
    limits = of_analysis("upper_limits.json")(wildcards)
    return limits if os.path.exists(limits) else []


def interactive_figures(analyses):
    """What the target `report` makes besides the summaries and pages."""
    planes = [plane for analysis in analyses for plane in drawn_planes(analysis)]
    return [f"results/{plane.folder}/exclusion.html" for plane in planes]


def page_parts(wildcards):
    """The templates and captions of HTML pages."""
    return [local(str(part)) for part in sorted((WORKFLOW / "report").iterdir())]


def limits_comparisons(analyses):
    """What a user asks for by the target `upper_limits`."""
    folders = [plane.folder for plane in PLANES.values() if plane.analysis in analyses]
    return expand("results/{plane}/limits_comparison.json", plane=folders)


def exported(analyses):
    """What a user asks for by the target `exports`: what takes no further packages."""
    drawn = [plane.folder for analysis in analyses for plane in drawn_planes(analysis)]
    return [
        *expand(
            "results/{analysis}/exports/{file}",
            analysis=analyses,
            file=("hepdata.tar.gz", "pyhf", "table.tex"),
        ),
        *expand(
            "results/{plane}/exports/{file}",
            plane=drawn,
            file=("contours.csv", "harvest.json"),
        ),
    ]


def effective_config(wildcards):
    """The config of the job's analysis with all defaults, but for what is the machine's."""
    general = {
        key: value for key, value in config.items() if key not in configuration.MACHINE
    }
    analysis = {wildcards.analysis: ANALYSES[wildcards.analysis]}
    return json.dumps(general | {"run": [wildcards.analysis], "analyses": analysis})


def machine_config(wildcards, output):
    """What the config says of the machine; derived, like `run`."""
    return json.dumps({key: config[key] for key in configuration.MACHINE})


def summaries(analyses):
    """What a user asks for by an analysis' name: the summary, which comes last, and what it does not
    read, so that it is made again if somebody deleted it."""
    return [
        f"results/{analysis}/{file}"
        for analysis in ([analyses] if isinstance(analyses, str) else analyses)
        for file in ("cls.csv", "harvest.json", "report.html", "summary.txt")
    ]
