# `snakemake` finds this file first. An include runs nothing by itself, hence the rule.


include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,


# What no other rule makes: an analysis that the config does not hold.
rule unknown:
    input:
        refuse,
    output:
        "{unknown,[A-Za-z0-9_-]+}",
