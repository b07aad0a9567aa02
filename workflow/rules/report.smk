# Where the results come from, and what they say.


rule provenance:
    input:
        downloads=download_records,
        verification="results/{analysis}/likelihood/verification.json",
        cls="results/{analysis}/cls.csv",
        drawn=of_planes("contours.json", "comparison.json"),
        code=code("provenance.py"),
    output:
        "results/{analysis}/provenance.json",
    log:
        "results/{analysis}/logs/provenance.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        config=effective_config,
    shell:
        "{params.run}/provenance.py --config {params.config:q} --verification {input.verification:q}"
        " --results {input.cls:q} {input.drawn:q}"
        " --output {output:q} {input.downloads:q} > {log:q} 2>&1"


# Comes last, and fails if too many points failed: by then, all that can be made is there. That is
# why it waits for the provenance and the figure; a new style of the figure does not repeat it.
rule summary:
    input:
        cls="results/{analysis}/cls.json",
        comparisons=of_planes("comparison.json"),
        figures=summary_figures,
        regions=region_results,
        provenance=provenance_record,
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
        title=setting("title"),
        tolerated=config["tolerate_failed_points"],
    shell:
        "{params.run}/summary.py --title={params.title:q} --cls {input.cls:q}"
        " --tolerated {params.tolerated} --output {output:q}"
        " --comparisons {input.comparisons:q} --figures {input.figures:q} > {log:q} 2>&1"
