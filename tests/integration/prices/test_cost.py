"""What a plan costs is told before anything is changed, and a limit ends the run before the first change."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from replicator import cli

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.action import Action

GIB = 2**30
TABLE: dict[str, str | None] = {"us-central1": "0.05", "eu": "0.05", "asia": "0.05", "us": "0.05"}


@pytest.fixture
def large(action: Action) -> str:
    """A source whose archive has 100 GiB: a copy costs $5.00."""
    action.emulator.add_image(project="p1", name="big-1", family="big", location="us", archive_size_bytes=100 * GIB)
    return "projects/p1/global/images/big-1"


def prices(folder: Path, table: dict[str, str | None], **fields: Any) -> str:
    document = {"schema": 1, "currency": "USD", "as_of": "2020-01-01", "source": "x", "image_storage_gib_month": table}
    path = folder / "prices.json"
    path.write_text(json.dumps({**document, **fields}), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("most", "kept"), [("9.99", False), ("10.00", True), ("10.01", True)])
@pytest.mark.parametrize("dry", ["true", "false"])
def test_the_limit_at_a_cent(action: Action, large: str, tmp_path: Path, most: str, kept: bool, dry: str) -> None:
    done = action(source_image=large, prices=prices(tmp_path, TABLE), max_monthly_cost=most, dry_run=dry)
    if kept:
        assert (done.exit_code, done.result) == (0, "planned" if dry == "true" else "complete")
        return
    assert (done.exit_code, done.result) == (1, "failed")
    assert not action.mutations()
    said = "too_expensive: the plan costs about $10.00 a month, and max_monthly_cost allows $9.99."
    assert done.outputs["reason"].startswith(said)
    ((title, message),) = [(title, message) for level, title, message in done.annotations if level == "error"]
    assert (title, message.startswith(said)) == ("Above the cost limit", True)
    assert "eu    100.000 GiB  about $5.00 a month" in done.log
    assert done.column("outcome") == {"us": "source", "eu": "planned", "asia": "planned"}
    assert "about &#36;10.00 a month (list prices, 2020-01-01" in done.summary
    assert "--max-monthly-cost=9.99" in done.summary


def test_an_unknown_price_is_above_every_limit(action: Action, large: str, tmp_path: Path) -> None:
    done = action(source_image=large, prices=prices(tmp_path, {**TABLE, "asia": None}), max_monthly_cost="999999")
    assert (done.exit_code, done.result, action.mutations()) == (1, "failed", [])
    assert done.outputs["reason"].startswith(
        "too_expensive: what the plan costs can't be told (no price is known for asia)"
    )
    assert "gce-image-replicator prices update" in done.outputs["reason"]
    # Nor do those of this version know every place.
    assert action(max_monthly_cost="999999").exit_code == 1


def test_a_rerun_with_nothing_to_copy_keeps_any_limit(action: Action, tmp_path: Path) -> None:
    assert action().exit_code == 0
    assert action(max_monthly_cost="0").result == "complete"


def test_the_index_is_the_same_whatever_the_prices(action: Action, tmp_path: Path) -> None:
    whole = [action(), action(prices="off"), action(prices=prices(tmp_path, TABLE), max_monthly_cost="5")]
    assert len({done.index for done in whole}) == 1
    assert whole[0].index


def test_the_document(action: Action, large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url, "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}

    def told(*words: str) -> Any:
        stdout = io.StringIO()
        cli.main(["plan", "--json", "--source-image", large, *words], env, stdout)
        return json.loads(stdout.getvalue())["cost"]

    assert told("--prices", prices(tmp_path, {"eu": "0.05", "asia": None})) == {
        "currency": "USD",
        "as_of": "2020-01-01",
        "assumed": False,
        "month": "5.00",
        "lines": [
            {"location": "eu", "gib": "100.000", "month": "5.00"},
            {"location": "asia", "gib": "100.000", "month": None},
        ],
        "unknown": ["asia"],
        "transfer": None,
        "stored": ["us"],
    }
    assert told("--prices", "off") is None
    assert "no price known" not in capsys.readouterr().err.rpartition("wanted in")[2]


def test_hostile_text_in_a_list_stays_text(action: Action, tmp_path: Path) -> None:
    nasty = "x\n::error::forged\r##[error]y `a` <script>"
    done = action(prices=prices(tmp_path, {"eu": nasty}), dry_run="true")
    assert (done.exit_code, action.calls()) == (2, [])
    assert [(level, title) for level, title, _ in done.annotations] == [("error", "Input prices")]
    assert "<script>" not in done.summary
    done = action(prices=prices(tmp_path, TABLE, source=nasty), dry_run="true")
    assert done.exit_code == 0
    assert "forged" not in done.log


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"max_monthly_cost": "$5"}, "'$5' isn't a valid amount of money; write a plain number, such as 5 or 5.00"),
        ({"max_monthly_cost": "-1"}, "'-1' isn't a valid amount"),
        ({"max_monthly_cost": "nan"}, "'nan' isn't a valid amount"),
        ({"max_monthly_cost": "5", "prices": "off"}, "needs prices, and prices is off"),
        ({"prices": "nowhere.json"}, "can't be read (No such file or directory)"),
        ({"prices": "OFF"}, "can't be read"),
    ],
)
def test_bad_values_end_the_run_before_any_call(action: Action, given: dict[str, str], says: str) -> None:
    done = action(**given)
    assert (done.exit_code, action.calls()) == (2, [])
    assert says in done.outputs["reason"]
