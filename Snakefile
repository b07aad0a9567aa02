# `snakemake` finds this file first. An include runs nothing by itself, hence the rule.


include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
