"""Lists all probes by their families, and the guesses that no probe settles, with the reason."""

from __future__ import annotations

from scripts.smoke.probes import access, changes, copying, deprecation, families, limits, registry

#: Family → its probes, in the order in which they run: a later one may look at what an earlier one left.
FAMILIES = {
    "copy": copying.PROBES,
    "access": access.PROBES,
    "deprecation": deprecation.PROBES,
    "family": families.PROBES,
    "change": changes.PROBES,
    "limit": limits.PROBES,
    "registry": registry.PROBES,
}
PROBES = tuple(probe for probes in FAMILIES.values() for probe in probes)

UNPROBED = {
    "failed_source": "no request is known that makes an image FAILED on purpose",
    "images_quota": "it would take as many images as the project may have",
    "wait_quota": "it would take a minute of requests at the limit, at the cost of whoever works in the project",
    "failed_copies": "no request is known that makes a copy begin and fail on purpose",
    "known_members": "it takes an organisation that forbids a domain after it was let in",
    "template_images": "it would make instance templates, which others might take for theirs",
}
