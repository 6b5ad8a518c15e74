from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from replicator.compute import errors as compute_errors
from replicator.compute import refusals
from replicator.core import errors
from replicator.core.images import ImageRef
from replicator.core.replicas import Held, Outcome, ReplicaResult, Result, Revision
from replicator.index import errors as index_errors
from replicator.replicas import plan as planning
from replicator.replicas import results
from replicator.replicas.summary import page as summary
from replicator.runtime import markdown
from replicator.runtime.verdict import Verdict
from testkit.make import copy, image, replica
from testkit.pages import PAGES, anchors
from testkit.texts.hostile_text import hostile

ROWS = [
    ReplicaResult(replica=replica("us", family="web"), outcome=Outcome.SOURCE, image=image(), access="public", promoted=True),
    ReplicaResult(replica=replica("eu"), outcome=Outcome.CREATED, image=copy("eu"), access="public", seconds=61.5,
                  held=Held.FAMILY_IS_NEWER),
    ReplicaResult(replica=replica("asia", required=True), outcome=Outcome.FAILED, error=errors.Quota("Used up"), seconds=3),
]  # fmt: skip


def render(rows: list[ReplicaResult], notes: list[str] | None = None) -> str:
    return summary.render(results.judge(rows), image(), rows, notes or [])


CONSOLE = "https://console.cloud.google.com/compute/imagesDetail/projects/p1/global/images"


def test_what_a_person_reads() -> None:
    text = render(ROWS, ["A note."])
    lines = text.splitlines()
    assert lines[0].startswith("### ❌ A required location failed&#58; asia (quota)")
    assert (
        f"| eu | [<code>web-1-eu</code>]({CONSOLE}/web-1-eu) | ✅&nbsp;created "
        "| web-eu (not moved: family&#95;is&#95;newer) | public | 20&nbsp;/&nbsp;1.0 | 62 |"
    ) in lines
    assert ("| asia (required) | <code>web-1-asia</code> | ❌&nbsp;**failed** (quota) |  |  |  | 3.0 |") in lines
    assert "> A note." in lines
    assert "- Used up" in lines
    assert "**What to do:** Delete images that nobody needs, or ask for more quota; then run this again." in lines
    assert any(line.startswith("- **eu**: The family web-eu belongs to a newer source already") for line in lines)


def test_what_is_wrong_stands_before_what_is_right() -> None:
    text = summary.render(results.judge(ROWS), image(), ROWS, [], ["gce-image-replicator replicate"])
    order = ["### ❌", "#### ❌ asia", "What to do", "Then run it again", "| Location |", "```mermaid", "<details>"]
    places = [text.index(word) for word in order if word != "```mermaid"]
    assert places == sorted(places)
    good = [ROWS[0]]
    assert "again" not in summary.render(results.judge(good), image(), good, [], ["gce-image-replicator replicate"])


def test_a_chart_is_drawn_where_it_tells_something() -> None:
    def pictures(locations: list[str], *, last: float = 9.0, origin: str = "") -> int:
        rows = [
            ReplicaResult(replica=replica(where), outcome=Outcome.CREATED, began=0.0, seconds=3.0, origin=origin)
            for where in locations
        ]
        return render([*rows[:-1], replace(rows[-1], seconds=last)]).count("mermaid")

    assert pictures(["eu", "asia", "us-west1"]) == 0
    assert pictures(["eu", "asia", "us-west1", "me-west1"]) == 1
    assert pictures(["eu", "asia", "us-west1", "me-west1"], last=3.2) == 0
    assert pictures(["eu"], origin="asia") == 2


def test_links_lead_to_headings_of_the_pages() -> None:
    every = [value for value in vars(errors).values() if isinstance(value, type)]
    rows = [
        failed("eu", error("x"))
        for error in every
        if issubclass(error, errors.ReplicaError) and error is not errors.ReplicaError
    ]
    text = summary.render(results.judge(rows), image(), rows, [], ["replicate"])
    links = set(re.findall(r"/blob/v1/docs/([\w-]+\.md)#([\w-]+)\)", text))
    assert len(links) == len(rows) + 1
    assert [(page, anchor) for page, anchor in links if anchor not in anchors(PAGES[page])] == []


def test_what_holds_of_the_run_and_of_each_replica_is_said_once() -> None:
    error = errors.Interrupted("SIGTERM", 143)
    rows = [failed("eu", errors.Signalled("Interrupted while it was copying")), failed("asia", errors.Signalled("x"))]
    verdict = Verdict(Result.FAILED, 143, error.message, error)
    assert summary.render(verdict, image(), rows, []).count("takes over what was begun") == 1
    assert summary.render(verdict, None, [], []).count("takes over what was begun") == 1


def failed(location: str, error: errors.ReplicaError) -> ReplicaResult:
    return ReplicaResult(replica=replica(location), outcome=Outcome.FAILED, error=error)


def test_commands_can_be_copied() -> None:
    rows = [
        failed("eu", errors.ApiDisabled("Off", remedy=refusals.filled(errors.ApiDisabled.remedy, "p1"))),
        *(
            failed(where, planning.image_failed(replica(where).ref, f"{where} is FAILED"))
            for where in ("asia", "me-west1")
        ),
    ]
    text = render(rows)
    assert (
        "**What to do:** Run the command below and wait a few minutes.\n\n"
        "```sh\ngcloud services enable compute.googleapis.com --project p1\n```\n" in text
    )
    assert (
        "```sh\ngcloud compute images delete web-1-asia --project p1\n"
        "gcloud compute images delete web-1-me-west1 --project p1\n```\n\n" in text
    )


@pytest.mark.parametrize(
    ("remedy", "shown", "below"),
    [
        (
            "Set `a_b` or run `gcloud x --y`, *then* `gcloud z` or `c|d` again.",
            "Set <code>a&#95;b</code> or run the command below, &#42;then&#42; the command below or <code>c&#124;d</code> again.",
            "```sh\ngcloud x --y\ngcloud z\n```\n",
        ),
        ("gcloud shows it.", "gcloud shows it.", "#### What exists where\n"),
    ],
    ids=["code and commands", "a word"],
)
def test_what_to_do(remedy: str, shown: str, below: str) -> None:
    assert f"**What to do:** {shown}\n\n{below}" in render([failed("eu", errors.Quota("Used up", remedy=remedy))])


def test_where_nothing_is_to_be_done_nothing_is_said() -> None:
    error = errors.ReplicatorError(compute_errors.SOURCE_UNUSABLE, "The source is PENDING")
    verdict = Verdict(Result.FAILED, error.exit_code, error.message, error)
    assert "What to do" not in summary.render(verdict, None, [], [])


DOCS = "https://github.com/gce-image-replicator/gce-image-replicator/blob/v1/docs"


def test_the_command_that_runs_it_again() -> None:
    text = summary.render(results.judge(ROWS), image(), ROWS, [], ["gce-image-replicator replicate \\", "  --x=y"])
    assert (
        "\n\n#### 🔁 Then run it again\n\n"
        "A rerun keeps what is right and makes what is missing. Rerunning the whole job may build another image, so\n"
        "repeat the replication alone, from any machine with uv ([command line]"
        f"({DOCS}/quick-start-command-line.md#with-your-own-images))\n\n"
        "```sh\ngce-image-replicator replicate \\\n  --x=y\n```\n\n"
        "or with these inputs of the action: <code>source_image</code> as above, <code>distribute: true</code>.\n\n"
        "#### What exists where\n\n"
    ) in text


def test_how_to_use_what_exists() -> None:
    text = render(ROWS[:1])
    assert "<details><summary>Use these images with gcloud or Terraform</summary>\n\n```sh\ngcloud " in text
    assert text.endswith(
        f"```\n\n[The Terraform module]({DOCS}/terraform.md) chooses from the index instead, pinned by its digest.\n"
        "</details>\n"
    )


def test_the_same_trouble_is_told_once() -> None:
    where = [f"us-west{number}" for number in range(1, 10)]
    text = render([failed(name, errors.Quota(f"Copying to {name} failed: used up")) for name in where])
    assert f"#### ❌ {', '.join(where[:5])} and 4 more: [quota](" in text
    assert "- Copying to us-west1 failed&#58; used up (and 8 more like this)" in text
    assert text.count("What to do") == 1
    text = render([failed(name, errors.Quota(f"Copying to {name} failed: used up")) for name in ("eu", "asia")])
    assert "#quota)\n\n- Copying to eu failed&#58; used up (and 1 more like this)\n\n**What to do:**" in text
    taken = render([failed("eu", errors.Conflict("A foreign image")), failed("asia", errors.Conflict("Another one"))])
    why = markdown.text(errors.Conflict.why)
    assert f"#conflict)\n\n- A foreign image\n- Another one\n\n{why}\n\n**What to do:**" in taken
    held = [
        ReplicaResult(replica=replica(name), outcome=Outcome.CREATED, held=Held.REQUIRED_FAILED) for name in where[:2]
    ]
    assert "- **us-west1, us-west2**: The family of each was not moved" in render(held)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            compute_errors.SignInFailed(compute_errors.NO_CREDENTIALS, "No credentials were found"),
            [
                "### ❌ No credentials were found",
                "there is no input for a key",
                "```sh\ngcloud auth application-default login\n```",
            ],
        ),
        (
            errors.BadSettings([errors.InputProblem("locations", "'EU'"), errors.InputProblem("labels", "'x'")]),
            ["### ❌ 2 inputs are wrong, so nothing was called", "\n- locations&#58; 'EU'\n- labels&#58; 'x'\n"],
        ),
    ],
    ids=["credentials", "settings"],
)
def test_what_ended_the_run(error: errors.ReplicatorError, says: list[str]) -> None:
    verdict = Verdict(Result.FAILED, error.exit_code, error.message, error)
    text = summary.render(verdict, None, [], [])
    assert [word for word in says if word not in text] == []
    assert "| Location" not in text


def test_a_dry_run_promises_no_family() -> None:
    row = ReplicaResult(replica=replica("eu"), outcome=Outcome.PLANNED)
    assert "| eu | <code>web-1-eu</code> | 📝&nbsp;planned | web-eu |  |  |  |" in render([row])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *((sign, f"&#{ord(sign)};") for sign in "\\`*_{}[]+!|~$@:#"),
        ("<b> & \"c\" 'd'", "&lt;b&gt; &amp; \"c\" 'd'"),
        ("www.x.y w.w", "www&#46;x.y w.w"),
        ("a.b-c (d) 1/2 = 3, 4; 5% ^?", "a.b-c (d) 1/2 = 3, 4; 5% ^?"),
        ("&#35; ##", "&amp;&#35;35; &#35;&#35;"),
        ("a\n\x1bb", "a \\x1bb".replace("\\", "&#92;")),
    ],
)
def test_what_means_something_is_escaped(text: str, shown: str) -> None:
    assert markdown.text(text) == shown
    assert markdown.code(text) == f"<code>{shown}</code>"


def test_a_long_text_is_shortened() -> None:
    lines = render(ROWS, ["a" * 1000, "b" * 1001]).splitlines()
    assert {"> " + "a" * 1000, "> " + "b" * 1000 + " …"} <= set(lines)


def test_what_has_no_room_is_counted() -> None:
    """128 KiB, each line with its end."""
    full = [*["é"] * 43690, "x"]
    assert markdown.cut(full, "{} more") == full
    assert markdown.cut([*full, "", ""], "{} more") == [*full, "2 more"]
    assert markdown.cut(["\ud800"], "{} more") == ["\ud800"]


def test_a_block_ends_where_it_should() -> None:
    def block(name: str) -> list[str]:
        row = ReplicaResult(replica=replica("eu", ref=ImageRef("p1", name)), outcome=Outcome.CREATED)
        return [line for line in render([row]).splitlines() if line.startswith("```")]

    assert block("web") == ["```sh", "```", "```hcl", "```"]
    assert block("a``b") == ["```sh", "```", "```hcl", "```"]
    assert block("a```b````c") == ["`````sh", "`````", "`````hcl", "`````"]


def with_lines() -> list[errors.Advice]:
    """Every failure that shows lines to be added somewhere."""
    rows = [row for owner in (errors, compute_errors, index_errors) for row in vars(owner).values()]
    return list(dict.fromkeys(row for row in rows if isinstance(row, errors.Advice) and row.lines))


@pytest.mark.parametrize("row", with_lines(), ids=lambda row: row.title)
def test_lines_to_add_are_in_the_language_that_they_are_said_to_be_in(row: errors.Advice) -> None:
    if errors.language(row.lines) == "yaml":
        assert isinstance(yaml.safe_load(row.lines), dict | list)
    else:
        assert len(shlex.split(row.lines)) > 2


def test_a_link_is_quoted() -> None:
    row = ReplicaResult(
        replica=replica("eu", ref=ImageRef("p1", "a b)\ud800")), outcome=Outcome.CREATED, image=copy("eu")
    )
    where = CONSOLE.removeprefix("https://").partition("/global")[0]
    assert f"[<code>a b)&#92;ud800</code>](https://{where}/global/images/a%20b%29%3F)" in render([row])


@given(hostile)
def test_no_text_starts_anything(text: str) -> None:
    shown = markdown.text(text)
    assert not re.search(r"[`*_\[\]<>|\\~$@:\n\r\u2028\u0085]", shown)
    assert not re.search(r"(?<!&)#", shown)
    assert not re.search(r"&(?!(?:#\d+|amp|lt|gt);)", shown)


@given(st.lists(hostile, min_size=1, max_size=3))
def test_every_row_is_a_row(messages: list[str]) -> None:
    rows = [ReplicaResult(replica=replica("eu"), outcome=Outcome.FAILED, error=errors.Quota(text)) for text in messages]
    table = [line for line in render(rows, messages).splitlines() if line.startswith("| eu")]
    assert len(table) == len(messages)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 8 for line in table)


@pytest.mark.parametrize("length", [10, 10_000, 1_000_000])
def test_never_larger_than_the_runner_takes(length: int) -> None:
    rows = [
        ReplicaResult(replica=replica("eu"), outcome=Outcome.FAILED, error=errors.Quota("<" * length))
        for _ in range(300)
    ]
    assert len(render(rows).encode()) < 2**20


@given(st.lists(hostile, min_size=1, max_size=3))
def test_no_text_ends_or_begins_a_block(messages: list[str]) -> None:
    rows = [failed("eu", errors.Quota(text, remedy=f"Run `gcloud x {text}` now.")) for text in messages]
    lines = render(rows, messages).splitlines()
    fences = [line for line in lines if line.startswith("```")]
    assert len(fences) % 2 == 0
    headings = [line.split(" ", 2)[1] for line in lines if line.startswith("#")]
    assert headings == ["❌", "❌", "What"]
    assert not any(line.startswith(("<", "> [")) for line in lines)


def test_every_location_there_is_fits_whole() -> None:
    where = [f"northamerica-northeast{number}" for number in range(43)]
    rows = [
        ReplicaResult(
            replica=replica(name), outcome=Outcome.CREATED, image=copy(name), promoted=True, began=1, seconds=9 + number
        )
        for number, name in enumerate(where)
    ]
    text = render(rows)
    assert all(text.count(f"web-1-{name}</code>") == 1 for name in where)
    assert text.count("  section ") == 43
    assert "| … |" not in text


def test_many_that_are_equal_share_a_line() -> None:
    """The others have their own, and each location has one in the table that is folded below."""
    rows = [
        ReplicaResult(replica=replica(f"asia-east{number}"), outcome=Outcome.CREATED, image=copy("eu"), access="public",
                      promoted=True, seconds=20 + number)
        for number in range(12)
    ]  # fmt: skip
    assert "<details><summary>Each" not in render(rows)
    text = render([*rows, *ROWS])
    shared, folded = text.split("<details><summary>Each of the 15 locations</summary>")
    lines = [line for line in shared.splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + len(ROWS)
    assert lines[1] == (
        "| asia-east0, asia-east1, asia-east2, asia-east3, asia-east4 and 7 more "
        "| <code>web-1-&#123;location&#125;</code> | ✅&nbsp;created | web-&#123;location&#125; | public "
        "| 20&nbsp;/&nbsp;1.0 | 20 to 31 |"
    )
    assert lines[2].startswith("| us | [<code>web-1-us</code>](")
    assert lines[4].startswith("| asia (required) | <code>web-1-asia</code> |")
    assert all(f"| asia-east{number} |" in folded for number in range(12))
    assert text.count("</details>") == 2


def test_those_of_which_each_differs_have_a_line_each() -> None:
    rows = [
        ReplicaResult(replica=replica(f"asia-east{number}", family=f"web-{number}"), outcome=Outcome.CREATED)
        for number in range(30)
    ]
    assert "<details><summary>Each" not in render(rows)


def test_what_is_known_of_the_run_is_in_one_line() -> None:
    revision = Revision("acme/images", "refs/tags/v1", "0123456789abcdef0123456789abcdef01234567")
    facts = summary.Facts(
        index_digest="sha256:ab", signed_by="the key x+y=", revision=revision, commit_url="https://f/acme/commit/0",
        seconds=200.4,
    )  # fmt: skip
    verdict = results.judge(ROWS[:1])
    assert (
        "Index <code>sha256&#58;ab</code>, signed by the key x&#43;y=, built from acme/images at refs/tags/v1, commit "
        "[<code>0123456789ab</code>](https://f/acme/commit/0), took 3 min 20 s"
    ) in summary.render(verdict, image(), ROWS[:1], [], facts=facts).splitlines()
    assert "\nTook 5 s\n" in summary.render(verdict, image(), ROWS[:1], [], facts=summary.Facts(seconds=5.0))
    assert "Index" not in summary.render(verdict, image(), ROWS[:1], [], facts=summary.Facts())


def test_a_command_in_a_remark_on_costs_is_code() -> None:
    text = summary.render(
        results.judge(ROWS[:1]), image(), ROWS[:1], [], costs=["1 to copy", "`a prices` reads *them*", "by `a`"]
    )
    planned = "Planned: 1 to copy; <code>a prices</code> reads &#42;them&#42;; by <code>a</code>"
    assert planned in text.splitlines()
