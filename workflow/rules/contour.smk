# From the table of CLs to the exclusion contour, how it compares with the published one, and the figure.


rule contour:
    input:
        cls=of_analysis("cls.csv"),
        code=code("contour.py"),
    output:
        "results/{plane}/contours.json",
    log:
        "results/{plane}/logs/contour.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("contour.py"),
        axes=plane_setting("axes"),
        boundary=plane_setting("boundary"),
        where=plane_setting("where"),
    shell:
        "{params.run}/contour.py --cls {input.cls:q} --axes {params.axes:q} --boundary {params.boundary:q}"
        " --where={params.where:q} --output {output:q} > {log:q} 2>&1"


rule compare:
    input:
        cls=of_analysis("cls.csv"),
        contours="results/{plane}/contours.json",
        published=published_tables,
        code=code("compare.py"),
    output:
        report(
            "results/{plane}/comparison.json",
            caption="../report/comparison.rst",
            category=category(title),
            labels={"result": "Comparison, numbers", "of": "{plane}"},
        ),
    log:
        "results/{plane}/logs/compare.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("compare.py"),
        tolerance=plane_setting("tolerance"),
    shell:
        "{params.run}/compare.py --cls {input.cls:q} --contours {input.contours:q}"
        " --tolerance {params.tolerance:q} --output {output:q} {input.published:q} > {log:q} 2>&1"


rule plot:
    input:
        cls=of_analysis("cls.csv"),
        contours="results/{plane}/contours.json",
        published=published_tables,
        code=code("plot.py"),
    output:
        png=report(
            "results/{plane}/exclusion.png",
            caption="../report/exclusion.rst",
            category=category(title),
            labels={"result": "Exclusion", "of": "{plane}"},
        ),
        pdf="results/{plane}/exclusion.pdf",
    log:
        "results/{plane}/logs/plot.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("plot.py"),
        title=title,
        labels=plane_setting("labels"),
    shell:
        "{params.run}/plot.py --cls {input.cls:q} --contours {input.contours:q} --title={params.title:q}"
        " --labels {params.labels:q} --png {output.png:q} --pdf {output.pdf:q} {input.published:q} > {log:q} 2>&1"


# Asked for by name: results/<plane>/cls.png.
rule cls_plot:
    input:
        cls=of_analysis("cls.csv"),
        contours="results/{plane}/contours.json",
        code=code("cls_plot.py"),
    output:
        png="results/{plane}/cls.png",
        pdf="results/{plane}/cls.pdf",
    log:
        "results/{plane}/logs/cls_plot.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("cls_plot.py"),
        title=title,
        labels=plane_setting("labels"),
    shell:
        "{params.run}/cls_plot.py --cls {input.cls:q} --contours {input.contours:q}"
        " --title={params.title:q} --labels {params.labels:q}"
        " --png {output.png:q} --pdf {output.pdf:q} > {log:q} 2>&1"
