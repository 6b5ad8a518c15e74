"""Declares the verbs that speak to a forge: `release publish`, `release show`, `dispatch`, `runs`."""

from __future__ import annotations

from replicator.bootstrap.command import Command, Taking

_AT = "--repository OWNER/REPO --release-tag boot-v7"

#: Third-party package → the modules here that import it.
OUTSIDE = {"requests": ("forges", "workflows/api.py")}
#: What asks for the time → the modules here that do.
CLOCKS = {"deadline": ("forges/http.py",)}

COMMANDS = [
    Command(
        "release publish",
        "put files and the index on the release of a tag: a draft first, published when every asset is verified",
        run="commands.release.run:run",
        settings="commands.release.settings:ReleaseSettings",
        # The command line isn't gated, and takes no token as an option, which other users of the machine could read.
        without=("token", "distribute", "tag_pattern", "skip_server_urls"),
        examples=(f"release publish {_AT} --commit COMMIT --files 'out/*'",),
        action="release",
        gated=True,
        gate="commands.release.gate:from_env",
        doing="Releasing",
        done="released",
        outputs={
            "decision": "",
            "reason": "",
            "result": "",
            "skipped_reason": "",
            "release_url": "",
            "release_id": "",
            "release_tag": "",
            "commit": "",
            "immutable": "",
            "index_url": "",
            "sums_path": "",
            "assets": "[]",
        },
    ),
    Command(
        "release show",
        "check a release against its SHA256SUMS, and change nothing",
        run="commands.release.show:run",
        settings="commands.release.settings:ShowSettings",
        examples=(f"release show {_AT}",),
    ),
    Command(
        "dispatch",
        "start a workflow at a tag or branch: what a release made with a workflow's own token doesn't do",
        run="commands.release.workflows.dispatch:run",
        settings="commands.release.workflows.settings:DispatchSettings",
        examples=("dispatch --repository OWNER/REPO --workflow deploy.yml --ref v1.2.3 --input image=web --wait",),
    ),
    Taking(
        "runs show",
        "show the status of a workflow's run and of its jobs",
        run="commands.release.workflows.runs:show",
        settings="commands.release.workflows.settings:ShowSettings",
        operands="run",
        metavar="ID",
        examples=("runs show --repository OWNER/REPO 12345",),
    ),
    Taking(
        "runs logs",
        "print the logs of a run's jobs",
        run="commands.release.workflows.runs:logs",
        settings="commands.release.workflows.settings:LogsSettings",
        operands="run",
        metavar="ID",
        examples=("runs logs --repository OWNER/REPO 12345 --job deploy",),
    ),
]
