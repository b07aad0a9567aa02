# The fits. A job takes a batch of points, since its start takes as long as some tens of fits.


rule hypotest:
    input:
        members="results/{analysis}/likelihood/members",
        patches="results/{analysis}/likelihood/patches.csv",
        cross_sections=cross_sections_to_vary,
        code=code("hypotest.py"),
    output:
        "results/{analysis}/hypotest/{batch}.jsonl",
    log:
        "results/{analysis}/logs/hypotest/{batch}.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    params:
        run=run,
        code=code_contents("hypotest.py"),
        numerics=NUMERICS,
        backgrounds=backgrounds,
        measurement=setting("likelihood", "measurement"),
        contents=contents(cross_sections_to_vary),
        points=batch_points,
        journal="results/{analysis}/journal/hypotest",
    shell:
        "{params.run}/hypotest.py --members {input.members:q} --backgrounds {params.backgrounds:q}"
        " --measurement={params.measurement:q} --patches {input.patches:q}"
        " --cross-sections {input.cross_sections:q} --code {input.code:q} --journal {params.journal:q}"
        " --output {output:q} --points {params.points:q} > {log:q} 2>&1"


rule aggregate:
    input:
        batches=batched("hypotest"),
        points=points_table,
        code=code("aggregate.py"),
    output:
        csv=report(
            "results/{analysis}/cls.csv",
            caption="../report/points.rst",
            category=category(setting("title")),
            labels={"result": "Table of points", "of": "{analysis}"},
        ),
        json="results/{analysis}/cls.json",
        harvest="results/{analysis}/harvest.json",
    log:
        "results/{analysis}/logs/aggregate.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("aggregate.py"),
        select=wanted,
        batches=batches_folder,
        points_per_job=points_per_job,
        contents=contents(points_given),
    shell:
        "{params.run}/aggregate.py --points {input.points:q} --select {params.select:q}"
        " --csv {output.csv:q} --json {output.json:q} --harvest {output.harvest:q}"
        " --batches {params.batches:q} --points-per-job {params.points_per_job} > {log:q} 2>&1"


# Asked for where an analysis has several signal regions.
rule cls_regions:
    input:
        batches=batched("hypotest"),
        points=points_table,
        code=code("cls_regions.py"),
    output:
        "results/{analysis}/cls_regions.csv",
    log:
        "results/{analysis}/logs/cls_regions.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("cls_regions.py"),
        select=wanted,
        batches=batches_folder,
        points_per_job=points_per_job,
        contents=contents(points_given),
    shell:
        "{params.run}/cls_regions.py --points {input.points:q} --select {params.select:q}"
        " --csv {output:q}"
        " --batches {params.batches:q} --points-per-job {params.points_per_job} > {log:q} 2>&1"
