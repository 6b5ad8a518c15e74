"""Declares the verbs `list`, `rollback`, `promote` and `retain`: help, options left out, examples."""

from __future__ import annotations

from replicator.bootstrap.command import Command

_TURN = "commands.lifecycle.turn.settings:TurnSettings"

_OUTPUTS = {
    "result": "",
    "reason": "",
    "families": "[]",
    "default": "{}",
    "releases": "[]",
    "due": "0",
    "failed": "0",
    "plan_path": "",
    "plan_digest": "",
}

#: The name of a JSON Schema → what makes it, for `make docs`.
SCHEMAS = {"retention-rules": "commands.lifecycle.retain.rules_file:schema"}

COMMANDS = [
    Command(
        "list",
        "list the releases of families: which is the default, which was rolled back, which goes when",
        run="commands.lifecycle.run:run",
        settings="commands.lifecycle.settings:ListSettings",
        more_settings="replicas.settings:Settings",
        # These name one image, or say how replicas are made and changed.
        without=(
            "source_image",
            "packer_manifest",
            # The signatures are beside the indexes.
            "bundle",
            "attestation",
            "required_locations",
            "home_copy",
            "labels",
            "access",
            "promote",
            "replace_failed",
            "revision",
            "variant",
            "sign",
            "dry_run",
            "prices",
            "max_monthly_cost",
            "copies_per_source",
        ),
        examples=(
            "list --families web,web-arm64 --project-id PROJECT",
            "list --families web --project-id PROJECT --indexes releases/",
        ),
    ),
    Command(
        "rollback",
        "put families back to the release before, or to another older one, and say what they resolve to",
        run="commands.lifecycle.rollback.run:run",
        settings=_TURN,
        preset={"verb": "rollback"},
        without=("release", "required_locations", "reactivate"),
        examples=(
            "rollback --families web,web-arm64 --project-id PROJECT --dry-run",
            "rollback --families web --project-id PROJECT --to v1-4-0",
        ),
    ),
    Command(
        "promote",
        "make a release that exists the default, everywhere or nowhere",
        run="commands.lifecycle.promote.run:run",
        settings=_TURN,
        preset={"verb": "promote"},
        without=("to",),
        examples=(
            "promote --families web,web-arm64 --project-id PROJECT --release v1-5-0",
            "promote --families web --project-id PROJECT --index image-index.json --required-locations all",
        ),
        # Its input `verb` says which of the two.
        action="promote",
        outputs=_OUTPUTS,
    ),
    Command(
        "retain",
        "retire old releases with notice, and delete them a week later; without --apply show the plan only",
        run="commands.lifecycle.retain.run:run",
        settings="commands.lifecycle.retain.settings:RetainSettings",
        examples=(
            "retain --families web,web-arm64 --project-id PROJECT",
            "retain --rules retention.yaml --approved-plan retention-plan.json --apply",
        ),
        action="retain",
        outputs={
            "result": "",
            "reason": "",
            "default": "{}",
            "releases": "[]",
            "due": "0",
            "retired": "0",
            "purged": "0",
            "failed": "0",
            "plan_path": "",
            "plan_digest": "",
        },
    ),
]
