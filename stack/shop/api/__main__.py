"""`python -m stack.shop.api`: one process of the api."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from stack.shop.api.app import SERVICE, build, data_path, load_shop
from stack.shop.api.settings import KEYS, Place
from stack.shop.lines import set_up
from stack.shop.serving import run
from stack.shop.settings import load_or_exit
from stack.shop.spans import current_ids
from stack.shop.traffic import Measured


def main() -> None:
    """Read the configuration, take up the warm-start snapshot, serve."""
    parser = argparse.ArgumentParser(prog="stack.shop.api")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--release", choices=("v1", "v2"), required=True)
    parser.add_argument("--data", type=data_path, required=True)
    parser.add_argument("--env-file", type=Path, required=True)
    parser.add_argument("--secret-file", type=Path, required=True)
    parser.add_argument("--spans", type=Path, required=True)
    parser.add_argument("--quota-bytes", type=int, default=0)
    found = parser.parse_args()
    log = set_up(SERVICE, current_ids)
    values = load_or_exit(found.env_file, KEYS, log)
    logging.getLogger().setLevel(values["LOG_LEVEL"].upper())
    place = Place(
        port=found.port,
        version=found.release,
        data=found.data,
        env_file=found.env_file,
        secret_file=found.secret_file,
        spans=found.spans,
        quota_bytes=found.quota_bytes,
    )
    shop = load_shop(place, values, log)
    log.info("starting", extra={"release": place.version, "port": place.port})
    app = Measured(build(shop), shop.traffic, shop.tracing, log, version=place.version)
    run(app, place.port, reload=shop.reload, doors=shop.doors)


if __name__ == "__main__":
    main()
