"""Declares the verb `verify`: its help, the options that it takes and leaves out, outputs, examples."""

from __future__ import annotations

from replicator.bootstrap.command import Command

_POLICY = (
    r"--certificate-identity-regexp 'https://github\.com/OWNER/REPO/\.github/workflows/release\.yml@.*' "
    "--certificate-oidc-issuer https://token.actions.githubusercontent.com"
)

COMMANDS = [
    Command(
        "verify",
        "compare the live images with an index, or with a source and settings, and change nothing",
        run="commands.verify.run:run",
        settings="commands.verify.settings:VerifySettings",
        more_settings="replicas.settings:Settings",
        # These say how images are made, and verify makes none.
        without=(
            "dry_run",
            "prices",
            "max_monthly_cost",
            "promote",
            "replace_failed",
            "copies_per_source",
            "timeout_minutes",
            "revision",
            "sign",
        ),
        examples=(
            "verify --index image-index.json",
            f"verify --index image-index.json --bundle image-index.json.sigstore.json {_POLICY}",
            "verify --source-image projects/PROJECT/global/images/web-v1 --json",
        ),
        action="verify",
        failed="error",
        outputs={
            "result": "",
            "reason": "",
            "image": "",
            "image_name": "",
            "image_id": "",
            "index_digest": "",
            "signed_by": "",
            "findings": "[]",
        },
    )
]
