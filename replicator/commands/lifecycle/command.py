"""Declares the verbs `list` and `retain`: help, the options that it takes and leaves out, examples."""

from __future__ import annotations

from replicator.bootstrap.command import Command

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
            "copies_per_source",
        ),
        examples=("list --families web,web-arm64 --project-id PROJECT",),
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
