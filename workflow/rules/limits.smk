# Upper limits on the signal strength and, with a table of theory cross-sections, on the cross-section.


rule limits:
    input:
        members="results/{analysis}/likelihood/members",
        patches="results/{analysis}/likelihood/patches.csv",
        code=code("limits.py"),
    output:
        "results/{analysis}/limits/{batch}.jsonl",
    log:
        "results/{analysis}/logs/limits/{batch}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    params:
        run=run,
        code=code_contents("limits.py"),
        numerics=NUMERICS,
        backgrounds=backgrounds,
        measurement=setting("likelihood", "measurement"),
        points=batch_points,
        journal="results/{analysis}/journal/limits",
    shell:
        "{params.run}/limits.py --members {input.members:q} --backgrounds {params.backgrounds:q}"
        " --measurement={params.measurement:q} --patches {input.patches:q} --code {input.code:q}"
        " --journal {params.journal:q} --output {output:q} --points {params.points:q} > {log:q} 2>&1"


rule limits_table:
    input:
        batches=batched("limits"),
        points=points_table,
        cross_sections=cross_sections,
        code=code("limits_table.py"),
    output:
        csv="results/{analysis}/upper_limits.csv",
        json="results/{analysis}/upper_limits.json",
    log:
        "results/{analysis}/logs/limits_table.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("limits_table.py"),
        select=wanted,
        batches=batches_folder,
        points_per_job=points_per_job,
        contents=contents(points_given, cross_sections),
    shell:
        "{params.run}/limits_table.py --points {input.points:q} --select {params.select:q}"
        " --cross-sections {input.cross_sections:q} --csv {output.csv:q} --json {output.json:q}"
        " --batches {params.batches:q} --points-per-job {params.points_per_job} > {log:q} 2>&1"


rule limits_plot:
    input:
        limits=of_analysis("upper_limits.json"),
        cls=of_analysis("cls.csv"),
        contours="results/{plane}/contours.json",
        code=code("limits_plot.py"),
    output:
        png=report(
            "results/{plane}/limits.png",
            caption="../report/limits.rst",
            category=category(title),
            labels={"result": "Upper limits", "of": "{plane}"},
        ),
        pdf="results/{plane}/limits.pdf",
    log:
        "results/{plane}/logs/limits_plot.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("limits_plot.py"),
        title=title,
        labels=plane_setting("labels"),
    shell:
        "{params.run}/limits_plot.py --limits {input.limits:q} --cls {input.cls:q}"
        " --contours {input.contours:q} --title={params.title:q} --labels {params.labels:q}"
        " --png {output.png:q} --pdf {output.pdf:q} > {log:q} 2>&1"


# Comes last, and fails if too many points failed, like `summary`.
rule limits_compare:
    input:
        limits=of_analysis("upper_limits.json"),
        plane=plane_of_points,
        figure=limits_figure,
        published=published_limits,
        code=code("limits_compare.py"),
    output:
        "results/{plane}/limits_comparison.json",
    log:
        "results/{plane}/logs/limits_summary.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("limits_compare.py"),
        title=title,
        tolerated=config["tolerate_failed_points"],
    shell:
        "{params.run}/limits_compare.py --title={params.title:q} --limits {input.limits:q}"
        " --plane {input.plane:q} --published {input.published:q} --tolerated {params.tolerated}"
        " --output {output:q} > {log:q} 2>&1"


rule upper_limits:
    input:
        limits_comparisons(config["run"]),
