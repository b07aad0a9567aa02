# `snakemake` finds this file first. An include runs nothing by itself, hence the rule.


include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,


# What no other rule makes: a target that there is not, and results of an analysis that there is not.
rule unknown:
    input:
        refuse,
    output:
        f"{{unknown,{UNKNOWN}}}",
