# From the table of CLs to the exclusion contour, how it compares with the published one, and the figure.


rule contour:
    input:
        cls="results/{analysis}/cls.csv",
        code=code("contour.py"),
    output:
        "results/{analysis}/contours.json",
    log:
        "results/{analysis}/logs/contour.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        axes=setting("axes"),
        boundary=boundary,
    shell:
        "{params.run}/contour.py --cls {input.cls:q} --axes {params.axes:q} --boundary {params.boundary:q}"
        " --output {output:q} > {log:q} 2>&1"


rule compare:
    input:
        cls="results/{analysis}/cls.csv",
        contours="results/{analysis}/contours.json",
        published=published_tables,
        code=code("compare.py"),
    output:
        "results/{analysis}/comparison.json",
    log:
        "results/{analysis}/logs/compare.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        tolerance=setting("tolerance"),
    shell:
        "{params.run}/compare.py --cls {input.cls:q} --contours {input.contours:q}"
        " --tolerance {params.tolerance:q} --output {output:q} {input.published:q} > {log:q} 2>&1"


rule plot:
    input:
        cls="results/{analysis}/cls.csv",
        contours="results/{analysis}/contours.json",
        published=published_tables,
        code=code("plot.py"),
    output:
        png="results/{analysis}/exclusion.png",
        pdf="results/{analysis}/exclusion.pdf",
    log:
        "results/{analysis}/logs/plot.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        title=setting("title"),
        labels=setting("labels"),
    shell:
        "{params.run}/plot.py --cls {input.cls:q} --contours {input.contours:q} --title={params.title:q}"
        " --labels {params.labels:q} --png {output.png:q} --pdf {output.pdf:q} {input.published:q} > {log:q} 2>&1"
