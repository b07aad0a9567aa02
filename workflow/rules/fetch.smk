# From HEPData, or a mirror of it: the archive with the likelihood, and the published curves.
# Compute nodes often have no internet, so this runs where Snakemake does. Checksums in the config pin
# the content, so other code is no reason to fetch it again.


rule fetch_likelihood:
    output:
        archive="results/{analysis}/download/likelihood.archive",
        record="results/{analysis}/download/likelihood.json",
    log:
        "results/{analysis}/logs/fetch_likelihood.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        doi=setting("likelihood", "doi"),
        size=setting("likelihood", "size"),
        sha256=setting("likelihood", "sha256"),
        mirror=mirror,
        network=network,
    shell:
        "{params.run}/fetch_likelihood.py --doi {params.doi:q} --size {params.size}"
        " --sha256 {params.sha256:q} --mirror={params.mirror:q} --network {params.network:q}"
        " --output {output.archive:q} --record {output.record:q} > {log:q} 2>&1"


rule fetch_table:
    output:
        table="results/{plane}/download/{curve}.csv",
        record="results/{plane}/download/{curve}.json",
    log:
        "results/{plane}/logs/fetch_{curve}.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        run=run,
        doi=plane_setting("published", "{curve}", "doi"),
        inspire=plane_setting("published", "{curve}", "record"),
        table=plane_setting("published", "{curve}", "table"),
        version=plane_setting("published", "{curve}", "version"),
        digest=plane_setting("published", "{curve}", "digest"),
        mirror=mirror,
        network=network,
    shell:
        "{params.run}/fetch_table.py --doi {params.doi:q} --inspire {params.inspire:q}"
        " --table {params.table:q} --version {params.version} --digest {params.digest:q}"
        " --mirror={params.mirror:q} --network {params.network:q}"
        " --output {output.table:q} --record {output.record:q} > {log:q} 2>&1"
