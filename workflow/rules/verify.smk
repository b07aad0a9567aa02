# Nothing is computed from a likelihood that is not, digest by digest, the published one.


rule verify:
    input:
        archive="results/{analysis}/download/likelihood.archive",
        points=points_table,
        code=code("verify.py"),
    output:
        members=directory("results/{analysis}/likelihood/members"),
        patches="results/{analysis}/likelihood/patches.csv",
        report="results/{analysis}/likelihood/verification.json",
    log:
        "results/{analysis}/logs/verify.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        sha256=setting("likelihood", "sha256"),
        regions=regions,
        limits=archive_limits,
    shell:
        "{params.run}/verify.py --archive {input.archive:q} --sha256 {params.sha256}"
        " --points {input.points:q} --regions {params.regions:q} --limits {params.limits:q}"
        " --members {output.members:q} --patches {output.patches:q}"
        " --report {output.report:q} > {log:q} 2>&1"
