# A close look at one signal point's fits, for whoever asks for it by name:
# results/<analysis>/diagnostics/<point>, or <region>/<point> where there are several signal regions.


rule diagnostics:
    input:
        members="results/{analysis}/likelihood/members",
        patches="results/{analysis}/likelihood/patches.csv",
        code=code("diagnostics.py"),
    output:
        directory("results/{analysis}/diagnostics/{patch}"),
    log:
        "results/{analysis}/logs/diagnostics/{patch}_summary.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    params:
        run=run,
        code=code_contents("diagnostics.py"),
        numerics=NUMERICS,
        backgrounds=backgrounds,
        measurement=setting("likelihood", "measurement"),
        title=setting("title"),
    shell:
        "{params.run}/diagnostics.py --members {input.members:q} --backgrounds {params.backgrounds:q}"
        " --measurement={params.measurement:q} --patches {input.patches:q} --patch {wildcards.patch:q}"
        " --title={params.title:q} --output {output:q} > {log:q} 2>&1"
