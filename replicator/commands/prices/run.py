"""Runs `prices show` and `prices update` from options to results."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.commands.prices import settings, skus
from replicator.commands.prices.errors import PRICES_CONTRADICT
from replicator.compute import waits
from replicator.core import errors
from replicator.core.replicas import Result
from replicator.inputs import price_list
from replicator.inputs.price_list import PriceList
from replicator.replicas.cost import words
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.runtime.runner import Annotation
    from replicator.runtime.signals import Signals


_ANY = "any other location (assumed)"


@dataclass(kw_only=True)
class PricesRun(Run):
    """One run of a `prices` command."""

    prices: PriceList | None = None
    """The prices that are shown, or that were read."""
    written: str = ""
    """The file that was written."""

    def carry_out(self, signals: Signals) -> Verdict:
        """Show the prices, or read and write them."""
        inputs = settings.load(self.given, self.env)
        if inputs.shown:
            self.prices = inputs.shown
            return Verdict(Result.COMPLETE, 0, f"These are the prices of {inputs.shown.as_of}")
        self.in_loop(self._update(inputs, signals))
        return Verdict(Result.COMPLETE, 0, f"The prices were written to {self.written}")

    async def _update(self, inputs: settings.Inputs, signals: Signals) -> None:
        # Only now: it imports google-auth.
        from replicator.commands.prices import catalog

        with signals.cancelling():
            listed = await catalog.skus(inputs, self.env)
        try:
            found = skus.offers(listed, inputs.settings.currency)
            table = skus.table(found)
        except skus.Unfit as error:
            raise errors.ReplicatorError(
                PRICES_CONTRADICT, f"The Cloud Billing Catalog can't be used: {error}"
            ) from None
        if not found:
            what = f"None of the {len(listed)} SKUs that the Cloud Billing Catalog lists is the storage of images"
            raise errors.ReplicatorError(PRICES_CONTRADICT, what)
        day = max(offer.since for offer in found) or waits.now().date().isoformat()
        self.prices = PriceList.model_validate(
            {
                "schema": 1,
                "currency": inputs.settings.currency,
                "as_of": day,
                "source": f"Cloud Billing Catalog, {skus.SERVICE}, {len(found)} SKUs of image storage",
                "image_storage_gib_month": table,
            }
        )
        self._write(Path(inputs.settings.output))

    def _write(self, path: Path) -> None:
        """Write the file whole or not at all."""
        if self.prices is None:
            raise errors.Unforeseen("No prices to write")
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            part.write_bytes(price_list.text(self.prices).encode())
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            problem = f"the file can't be written ({error.strerror or error})"
            raise errors.BadSettings([errors.InputProblem("output", problem)]) from None
        self.written = str(path)

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:  # noqa: ARG002 - there is no action
        """Return nothing."""
        return {}

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the prices, and how the run ended."""
        prices = self.prices
        return {
            "result": str(verdict.result),
            "reason": verdict.reason,
            "exit_code": verdict.exit_code,
            "file": self.written,
            "old": bool(prices and words.age(prices, waits.now().date())),
            "prices": price_list.as_dict(prices) if prices else None,
        }

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:  # noqa: ARG002 - what went wrong is in the notes
        """Return what went wrong."""
        return self.notes

    def show(self, verdict: Verdict) -> None:
        """Print the prices as a table."""
        if self.prices:
            prices = self.prices
            self.runner.line(f"storing a GiB (2^30 bytes) of an image for a month, {prices.as_of}")
            self.runner.line(f"source: {prices.source}")
            self.runner.table(
                [
                    [place if place != price_list.ANYWHERE else _ANY, "no price known"]
                    if price is None
                    else [place if place != price_list.ANYWHERE else _ANY, words.money(price, prices)]
                    for place, price in sorted(prices.image_storage_gib_month.items())
                ]
            )
            if old := words.age(prices, waits.now().date()):
                self.runner.line(old)
        self.runner.line(f"{verdict.result}: {verdict.headline}.")

    def summary(self, verdict: Verdict) -> str:  # noqa: ARG002 - there is no action
        """Return nothing."""
        return ""


run = partial(execute, PricesRun)
