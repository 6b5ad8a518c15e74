"""Declares the verbs `notify`, `webhook …` and `publications …`: help, inputs, outputs, examples."""

from __future__ import annotations

from replicator.bootstrap.command import Command, Taking

_FILES = "--index image-index.json --attestation image-index.json.intoto.sigstore.json"

#: Third-party package → the modules here that import it.
OUTSIDE = {
    "requests": ("delivery.py",),
    "yaml": ("receiver/config.py",),
    "sqlalchemy": ("receiver",),
    "starlette": ("receiver/app.py",),
    "uvicorn": ("receiver/listening.py",),
}
#: What asks for the time → the modules here that do.
CLOCKS = {
    "deadline": ("delivery.py", "receiver/hook_command.py"),
    "timestamps": ("receiver/app.py", "receiver/run.py", "receiver/worker.py"),
}

#: The name of a JSON Schema → what makes it, for `make docs`.
SCHEMAS = {
    "event": "commands.webhooks.event:schema",
    "webhook-config": "commands.webhooks.receiver.config:schema",
}

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
    Command(
        "webhook serve",
        "receive announcements: verify each before it is recorded",
        run="commands.webhooks.receiver.run:serve",
        settings="commands.webhooks.receiver.settings:ServeSettings",
        examples=("webhook serve --config receiver.yaml --listen 127.0.0.1:8080",),
    ),
    Command(
        "webhook secret",
        "make a webhook's secret",
        run="commands.webhooks.receiver.run:secret",
        settings="commands.webhooks.receiver.settings:SecretSettings",
        examples=("webhook secret --file webhook-secret",),
    ),
    Taking(
        "webhook rotate",
        "replace a webhook's secret without losing a delivery",
        run="commands.webhooks.receiver.rotate:rotate",
        settings="commands.webhooks.receiver.settings:RotateSettings",
        examples=(
            "webhook rotate --config receiver.yaml acme",
            "webhook rotate --config receiver.yaml acme --finish",
        ),
        operands="hook",
        metavar="HOOK",
    ),
    Command(
        "webhook list",
        "list hooks, the fingerprints of their secrets, and what arrived by each",
        run="commands.webhooks.receiver.run:hooks",
        settings="commands.webhooks.receiver.settings:ReceiverSettings",
        examples=("webhook list --config receiver.yaml",),
    ),
    *(
        Command(
            f"publications {what}",
            text,
            run="commands.webhooks.receiver.run:publications",
            settings="commands.webhooks.receiver.settings:ReceiverSettings",
            preset={"what": what},
            examples=(f"publications {what} --config receiver.yaml",),
        )
        for what, text in (
            ("list", "list what was received and verified"),
            ("export", "print all publications as JSON lines"),
        )
    ),
    *(
        Taking(
            f"publications {what}",
            text,
            run="commands.webhooks.receiver.run:publications",
            settings="commands.webhooks.receiver.settings:PublicationSettings",
            preset={"what": what},
            operands="id",
            metavar="ID",
            examples=(f"publications {what} --config receiver.yaml ID",),
        )
        for what, text in (
            ("show", "show one publication, and what happened to it"),
            ("retry", "verify a failed publication again, or run its failed command again"),
        )
    ),
]
