# The fits. A job takes a batch of points, since its start takes as long as some tens of fits.


rule hypotest:
    input:
        members="results/{analysis}/likelihood/members",
        patches="results/{analysis}/likelihood/patches.csv",
        code=code("hypotest.py"),
    output:
        "results/{analysis}/hypotest/{batch}.jsonl",
    log:
        "results/{analysis}/logs/hypotest/{batch}.log",
    benchmark:
        "results/{analysis}/benchmarks/hypotest/{batch}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    params:
        run=run,
        background=setting("likelihood", "background"),
        points=batch_points,
    shell:
        "{params.run}/hypotest.py --members {input.members:q} --background {params.background:q}"
        " --patches {input.patches:q} --output {output:q} {params.points:q} > {log:q} 2>&1"


rule aggregate:
    input:
        batches=batched("hypotest"),
        points=points_table,
        code=code("aggregate.py"),
    output:
        csv="results/{analysis}/cls.csv",
        json="results/{analysis}/cls.json",
        harvest="results/{analysis}/harvest.json",
    log:
        "results/{analysis}/logs/aggregate.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        select=wanted,
    shell:
        "{params.run}/aggregate.py --points {input.points:q} --select {params.select:q}"
        " --csv {output.csv:q} --json {output.json:q} --harvest {output.harvest:q}"
        " {input.batches:q} > {log:q} 2>&1"
