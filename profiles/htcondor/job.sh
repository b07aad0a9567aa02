#!/bin/sh
# HTCondor starts a job in a folder of its own on the node; this goes to that of the run, which holds
# the Snakefile. Arguments: python -m snakemake --snakefile FILE …
cd "$(dirname "$5")" && exec "$@"
