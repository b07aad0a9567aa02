"""Fetch a published table as CSV, and record where it came from."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from recontour import cli
from recontour.fetch import fetch_table, from_config
from recontour.files import write_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--doi", required=True)
    parser.add_argument("--inspire", required=True, help="the record, such as ins1755298")
    parser.add_argument("--table", required=True, help="name of the table in the record")
    parser.add_argument("--version", required=True, type=int, help="of the record")
    parser.add_argument("--digest", required=True, help="of the table's numbers")
    parser.add_argument("--mirror", required=True, help="folder of copies filed by DOI, or empty")
    parser.add_argument("--network", required=True, type=json.loads, help="JSON: where and how")
    parser.add_argument("--output", required=True)
    parser.add_argument("--record", required=True, help="JSON file")
    options = parser.parse_args()

    endpoints, limits = from_config(options.network)
    retrieved = fetch_table(
        options.doi,
        options.inspire,
        options.table,
        options.version,
        options.output,
        digest=options.digest,
        mirror=options.mirror or None,
        endpoints=endpoints,
        limits=limits,
    )
    write_json(options.record, asdict(retrieved) | {"digest": options.digest})
    seal(options.output, options.record)
    print(f"{options.doi} from {retrieved.source} {retrieved.location}: {retrieved.size} bytes")


if __name__ == "__main__":
    cli.main(main)
