# A signal point's workspace as a file, for whoever asks for it. The scan does not: it applies each
# patch to the background that it holds in memory, which is faster than writing and reading files.


rule workspace:
    input:
        members="results/{analysis}/likelihood/members",
        patches="results/{analysis}/likelihood/patches.csv",
        code=code("workspace.py"),
    output:
        "results/{analysis}/workspaces/{patch}.json",
    log:
        "results/{analysis}/logs/workspace/{patch}.log",
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        code=code_contents("workspace.py"),
        backgrounds=backgrounds,
    shell:
        "{params.run}/workspace.py --members {input.members:q} --backgrounds {params.backgrounds:q}"
        " --patches {input.patches:q} --patch {wildcards.patch:q}"
        " --output {output:q} > {log:q} 2>&1"
