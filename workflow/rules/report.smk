# Where the results come from, and what they say.


rule provenance:
    input:
        downloads=download_records,
        inputs=tables,
        verification="results/{analysis}/likelihood/verification.json",
        cls="results/{analysis}/cls.csv",
        drawn=of_planes("contours.json", "comparison.json"),
        code=code("provenance.py"),
    output:
        report(
            "results/{analysis}/provenance.json",
            caption="../report/provenance.rst",
            category=category(setting("title")),
            labels={"result": "Provenance", "of": "{analysis}"},
        ),
    log:
        "results/{analysis}/logs/provenance.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("provenance.py"),
        config=effective_config,
        machine=machine_config,
        contents=contents(points_given, cross_sections),
    shell:
        "{params.run}/provenance.py --config {params.config:q} --machine {params.machine:q}"
        " --verification {input.verification:q}"
        " --inputs {input.inputs:q} --results {input.cls:q} {input.drawn:q}"
        " --output {output:q} {input.downloads:q} > {log:q} 2>&1"


# All about an analysis on one page. It shows times, so it is the one result that differs from run to run.
rule page:
    input:
        cls="results/{analysis}/cls.json",
        comparisons=of_planes("comparison.json"),
        figures=of_planes("exclusion.png"),
        provenance="results/{analysis}/provenance.json",
        parts=page_parts,
        code=code("page.py"),
    output:
        report(
            "results/{analysis}/report.html",
            caption="../report/page.rst",
            category=category(setting("title")),
            labels={"result": "Report page", "of": "{analysis}"},
        ),
    log:
        "results/{analysis}/logs/page.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("page.py"),
        contents=contents(page_parts),
        title=setting("title"),
        labels=setting("labels"),
    shell:
        "{params.run}/page.py --title={params.title:q} --labels {params.labels:q} --cls {input.cls:q}"
        " --provenance {input.provenance:q} --journal results/{wildcards.analysis}/journal/hypotest"
        " --output {output:q} --comparisons {input.comparisons:q} --figures {input.figures:q}"
        " > {log:q} 2>&1"


# Bokeh takes longer to start than all other figures together, so this is made on request.
rule interactive:
    input:
        cls=of_analysis("cls.csv"),
        rows=of_analysis("cls.json"),
        contours="results/{plane}/contours.json",
        limits=known_limits,
        published=published_tables,
        parts=page_parts,
        code=code("interactive.py"),
    output:
        report(
            "results/{plane}/exclusion.html",
            caption="../report/interactive.rst",
            category=category(title),
            labels={"result": "Exclusion, interactive", "of": "{plane}"},
        ),
    log:
        "results/{plane}/logs/interactive.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("interactive.py"),
        contents=contents(page_parts),
        title=title,
        labels=plane_setting("labels"),
    shell:
        "{params.run}/interactive.py --cls {input.cls:q} --rows {input.rows:q}"
        " --contours {input.contours:q} --limits {input.limits:q} --title={params.title:q}"
        " --labels {params.labels:q} --output {output:q} {input.published:q} > {log:q} 2>&1"


# Comes last, and fails if too many points failed: by then, all that can be made is there. That is
# why it waits for the provenance and the figure.
rule summary:
    input:
        cls="results/{analysis}/cls.json",
        contours=of_planes("contours.json"),
        comparisons=of_planes("comparison.json"),
        figures=of_planes("exclusion.png"),
        regions=region_results,
        provenance="results/{analysis}/provenance.json",
        code=code("summary.py"),
    output:
        "results/{analysis}/summary.txt",
    log:
        "results/{analysis}/logs/summary.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("summary.py"),
        title=setting("title"),
        tolerated=config["tolerate_failed_points"],
    shell:
        "{params.run}/summary.py --title={params.title:q} --cls {input.cls:q}"
        " --tolerated {params.tolerated} --output {output:q}"
        " --contours {input.contours:q} --comparisons {input.comparisons:q} --figures {input.figures:q} > {log:q} 2>&1"


rule report:
    input:
        summaries(config["run"]),
        interactive_figures(config["run"]),
