"""Finds out, by reads alone, whether a run can succeed, and says what it will make and cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from replicator.inputs import price_list
from scripts.smoke.api import MANAGER, Api, NoCredentials
from scripts.smoke.options import DISK_GB, LABEL, MOST_REPOSITORIES
from scripts.smoke.probes import FAMILIES, PROBES

if TYPE_CHECKING:
    from scripts.smoke.options import Options
    from scripts.smoke.probe import Probe

#: Without one of these nothing can be made, or taken away again.
ESSENTIAL = (
    *(f"compute.disks.{verb}" for verb in ("create", "delete", "get", "list", "setLabels", "useReadOnly")),
    *(f"compute.images.{verb}" for verb in ("create", "delete", "get", "list", "setLabels", "useReadOnly")),
    "compute.globalOperations.get",
    "compute.zoneOperations.get",
)
#: What the product's own steps need beside.
PRODUCT = tuple(f"compute.images.{verb}" for verb in ("getFromFamily", "getIamPolicy", "setIamPolicy", "update"))
_IDENTITIES = ("service_account_email", "signer_email", "account")
#: The price of a `pd-standard` disk in us-central1, per GiB and month (facts of 2024), and the hours of a month.
_DISK_PRICE = Decimal("0.04")
_HOURS = 730


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found out: `missing` are permissions that are known to be missing; None where nobody can tell."""

    identity: str
    missing: tuple[str, ...] | None


def check(api: Api, options: Options) -> Checked:
    """Read what can be read. Raises NoCredentials where the API, the project or the sign-in isn't usable."""
    listed = api.send("GET", f"projects/{options.project}/global/images", query={"maxResults": "1"})
    if not listed.ok:
        raise NoCredentials(f"the images of {options.project} can't be listed: {listed.message or listed.status}")
    asked = sorted({*ESSENTIAL, *PRODUCT, *(each for probe in wanted(options) for each in probe.permissions)})
    path = f"projects/{options.project}:testIamPermissions"
    answer = api.send("POST", path, {"permissions": asked}, service=MANAGER)
    held = set(answer.body.get("permissions", []))
    missing = tuple(each for each in asked if each not in held) if answer.ok else None
    if lacking := [each for each in missing or () if each in ESSENTIAL]:
        raise NoCredentials(f"these permissions are missing in {options.project}: {', '.join(lacking)}")
    return Checked(identity=identity(api), missing=missing)


def identity(api: Api) -> str:
    """Whom the credentials name; "" where they don't tell."""
    credentials: Any = getattr(api.session, "credentials", None)
    names = (getattr(credentials, name, None) for name in _IDENTITIES)
    return next((name for name in names if isinstance(name, str) and "@" in name), "")


def wanted(options: Options) -> tuple[Probe, ...]:
    """The probes that are asked for, and for which the run has what they need."""
    chosen = PROBES if not options.only else tuple(each for name in options.only for each in FAMILIES[name])
    return tuple(probe for probe in chosen if not probe.lacking(options))


def cost(options: Options) -> Decimal:
    """The most that a run can cost, in USD: every image full, and everything kept for an hour.

    Unknown prices are taken to be the highest known one; moving a blank image between places costs next to nothing.
    """
    prices = price_list.shipped()
    known = [price for price in prices.image_storage_gib_month.values() if price is not None]
    images = options.most_images * DISK_GB * max(known)
    return (images + DISK_GB * _DISK_PRICE) / _HOURS


def announcement(options: Options, checked: Checked) -> list[str]:
    """What a run makes, where, and what it costs at most."""
    lines = [
        f"Project {options.project}, as {checked.identity or 'an identity that the credentials do not name'}.",
        f"Made, named girs-{options.run}-…, labelled {LABEL}: {options.run}, and deleted in the end:",
        f"  1 blank disk of {DISK_GB} GB in {options.zone}, for seconds",
        f"  at most {options.most_images} blank images, in us, eu, asia and nam4, for minutes",
    ]
    if options.registry:
        lines.append(f"  at most {MOST_REPOSITORIES} empty repositories of Artifact Registry in us")
    if options.public:
        lines.append("  one of the images is open to everybody with a Google account, for seconds")
    lines.append(
        f"At most ${cost(options):.4f}, if every image were full and all were kept for an hour (prices of 2024 in "
        "us-central1, taken for all places). No machine, network, bucket, key or account is made."
    )
    lines.append("Nothing else in the project is changed. The report stays on this machine.")
    if checked.missing is None:
        lines.append("Whether permissions are missing can't be told (the Resource Manager API didn't say).")
    elif checked.missing:
        lines.append(f"Missing permissions, whose probes stay open: {', '.join(checked.missing)}.")
    return lines
