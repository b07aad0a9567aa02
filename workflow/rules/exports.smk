# The results in the forms that the field's tools read.


rule export_hepdata:
    input:
        cls="results/{analysis}/cls.json",
        limits="results/{analysis}/upper_limits.json",
        contours=of_planes("contours.json"),
        code=code("export_hepdata.py"),
    output:
        # not the folder, in which Snakemake would put a file that is no part of a submission
        submission="results/{analysis}/exports/hepdata/submission.yaml",
        archive="results/{analysis}/exports/hepdata.tar.gz",
    log:
        "results/{analysis}/logs/export_hepdata.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("export_hepdata.py"),
        title=setting("title"),
        labels=setting("labels"),
        doi=setting("likelihood", "doi"),
        headings=headings,
        plane_labels=plane_labels,
    shell:
        "{params.run}/export_hepdata.py --title={params.title:q} --labels {params.labels:q} --doi {params.doi:q}"
        " --headings {params.headings:q} --cls {input.cls:q} --limits {input.limits:q}"
        " --contours {input.contours:q} --plane-labels {params.plane_labels:q}"
        " --submission {output.submission:q} --archive {output.archive:q} > {log:q} 2>&1"


rule export_pyhf:
    input:
        cls="results/{analysis}/cls.json",
        code=code("export_pyhf.py"),
    output:
        directory("results/{analysis}/exports/pyhf"),
    log:
        "results/{analysis}/logs/export_pyhf.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("export_pyhf.py"),
    shell:
        "{params.run}/export_pyhf.py --cls {input.cls:q} --folder {output:q} > {log:q} 2>&1"


rule export_latex:
    input:
        cls="results/{analysis}/cls.json",
        code=code("export_latex.py"),
    output:
        "results/{analysis}/exports/table.tex",
    log:
        "results/{analysis}/logs/export_latex.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("export_latex.py"),
        title=setting("title"),
        headings=headings,
    shell:
        "{params.run}/export_latex.py --title={params.title:q} --headings {params.headings:q}"
        " --cls {input.cls:q} --output {output:q} > {log:q} 2>&1"


rule export_contours:
    input:
        contours="results/{plane}/contours.json",
        code=code("export_contours.py"),
    output:
        "results/{plane}/exports/contours.csv",
    log:
        "results/{plane}/logs/export_contours.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("export_contours.py"),
    shell:
        "{params.run}/export_contours.py --contours {input.contours:q} --output {output:q} > {log:q} 2>&1"


# Not among the target `exports`: the workflow's own environment lacks what it takes.
rule export_root:
    input:
        contours="results/{plane}/contours.json",
        code=code("export_root.py"),
    output:
        "results/{plane}/exports/contours.root",
    log:
        "results/{plane}/logs/export_root.log",
    conda:
        "../../envs/root.yaml"
    params:
        run=run,
        code=code_contents("export_root.py"),
    shell:
        "{params.run}/export_root.py --contours {input.contours:q} --output {output:q} > {log:q} 2>&1"


rule export_harvest:
    input:
        cls=of_analysis("cls.json"),
        limits=of_analysis("upper_limits.json"),
        table=of_analysis("cls.csv"),
        code=code("export_harvest.py"),
    output:
        "results/{plane}/exports/harvest.json",
    log:
        "results/{plane}/logs/export_harvest.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("export_harvest.py"),
        axes=plane_setting("axes"),
        where=plane_setting("where"),
    shell:
        "{params.run}/export_harvest.py --cls {input.cls:q} --limits {input.limits:q} --table {input.table:q}"
        " --axes {params.axes:q} --where={params.where:q} --output {output:q} > {log:q} 2>&1"


rule exports:
    input:
        exported(config["run"]),
