"""Fetch an archive that holds a likelihood, and record where it came from."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from recontour import cli
from recontour.fetch import fetch_resource, from_config
from recontour.files import write_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--doi", required=True)
    parser.add_argument("--size", required=True, type=int, help="bytes")
    parser.add_argument("--sha256", required=True)
    parser.add_argument("--mirror", required=True, help="folder of copies filed by DOI, or empty")
    parser.add_argument("--network", required=True, type=json.loads, help="JSON: where and how")
    parser.add_argument("--output", required=True)
    parser.add_argument("--record", required=True, help="JSON file")
    options = parser.parse_args()

    endpoints, limits = from_config(options.network)
    retrieved = fetch_resource(
        options.doi,
        options.output,
        size=options.size,
        sha256=options.sha256,
        mirror=options.mirror or None,
        endpoints=endpoints,
        limits=limits,
    )
    write_json(options.record, asdict(retrieved))
    seal(options.output, options.record)
    print(f"{options.doi} from {retrieved.source} {retrieved.location}: {retrieved.size} bytes")


if __name__ == "__main__":
    cli.main(main)
