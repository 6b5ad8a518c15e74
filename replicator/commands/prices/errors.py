"""Holds the failures that end a run of `prices update`."""

from __future__ import annotations

from replicator.core.errors import Advice, ExitCode

PRICES_CONTRADICT = Advice(
    title="Prices contradict each other",
    meaning="The Cloud Billing Catalog has no one price of storing images for each location.",
    why="Which of them is billed can't be told, so no file was written.",
    remedy="Write the file by hand, with the price on your bill.",
    exit_code=ExitCode.FAILED,
)

CATALOG_REFUSED = Advice(
    title="Price list refused",
    meaning="The Cloud Billing API refused to list prices.",
    remedy="Put an API key into the variable GOOGLE_API_KEY (the Cloud Billing API must be on in its project), or sign "
    "in by `gcloud auth application-default login`.",
)

CATALOG_UNREACHABLE = Advice(
    title="Price list can't be read",
    meaning="The Cloud Billing API did not answer, or not as it should.",
    remedy="Check the network; then run this again.",
    exit_code=ExitCode.UNREACHABLE,
)
