"""Declares the verb `list`: its help, the options that it takes and leaves out, examples."""

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
            "prices",
            "max_monthly_cost",
            "copies_per_source",
        ),
        examples=("list --families web,web-arm64 --project-id PROJECT",),
    )
]
