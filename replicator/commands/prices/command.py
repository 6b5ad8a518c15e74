"""Declares the verbs `prices show|update`: help, options, examples."""

from __future__ import annotations

from replicator.bootstrap.command import Command

_SETTINGS = "commands.prices.settings:PricesSettings"
_RUN = "commands.prices.run:run"

COMMANDS = [
    Command(
        "prices show",
        "show the prices by which `plan` tells the cost, and how old they are",
        run=_RUN,
        settings=_SETTINGS,
        preset={"command": "show"},
        without=("currency", "output"),
        examples=("prices show", "prices show --prices prices.json --json"),
    ),
    Command(
        "prices update",
        "read today's prices of storing images from Google's Cloud Billing Catalog, and write them to a file",
        run=_RUN,
        settings=_SETTINGS,
        preset={"command": "update"},
        without=("prices",),
        examples=("prices update", "prices update --currency EUR --output prices-eur.json"),
    ),
]
