# Nothing is computed from a likelihood that is not, digest by digest, the published one. A user's own
# signals take the place of the published ones here.


rule signal_points:
    input:
        signal=signal_files,
        code=code("signal_points.py"),
    output:
        "results/{analysis}/points.csv",
    log:
        "results/{analysis}/logs/signal_points.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("signal_points.py"),
        signal=signal,
        contents=contents(signal_files),
    shell:
        "{params.run}/signal_points.py --signal {params.signal:q} --output {output:q} > {log:q} 2>&1"


rule verify:
    input:
        archive=archive,
        points=points_table,
        signal=signal_files,
        code=code("verify.py"),
    output:
        members=directory("results/{analysis}/likelihood/members"),
        patches="results/{analysis}/likelihood/patches.csv",
        report="results/{analysis}/likelihood/verification.json",
    log:
        "results/{analysis}/logs/verify.log",
    conda:
        "../../envs/environment.yaml"
    threads: 4
    params:
        run=run,
        code=code_contents("verify.py"),
        sha256=setting("likelihood", "sha256"),
        regions=regions,
        signal=signal,
        measurement=setting("likelihood", "measurement"),
        limits=archive_limits,
        contents=contents(points_given, signal_files),
    shell:
        "{params.run}/verify.py --archive {input.archive:q} --sha256 {params.sha256}"
        " --points {input.points:q} --regions {params.regions:q} --limits {params.limits:q}"
        " --signal {params.signal:q} --measurement={params.measurement:q}"
        " --processes {threads} --members {output.members:q} --patches {output.patches:q}"
        " --report {output.report:q} > {log:q} 2>&1"
