"""Declares the verbs `notify`, `webhook …` and `publications …`: help, inputs, outputs, examples."""

from __future__ import annotations

from replicator.bootstrap.command import Command

_FILES = "--index image-index.json --attestation image-index.json.intoto.sigstore.json"

COMMANDS = [
    Command(
        "notify",
        "announce an index to a receiver by a signed webhook",
        run="commands.webhooks.notify:run",
        settings="commands.webhooks.notify_settings:NotifySettings",
        more_settings="commands.webhooks.notify_settings:SecretFile",
        # The command line isn't gated.
        without=("distribute", "tag_pattern"),
        examples=(f"notify {_FILES} --webhook-url https://HOST/hooks/NAME --secret-file FILE",),
        action="notify",
        gated=True,
        gate="commands.webhooks.gate:from_env",
        doing="Announcing",
        done="announced",
        outputs={
            "decision": "",
            "result": "",
            "reason": "",
            "notified": "",
            "delivery_id": "",
            "status": "",
            "publication_id": "",
            "attempts": "",
        },
    ),
]
