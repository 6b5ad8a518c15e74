"""`prices show` and `prices update`, against the emulator's Cloud Billing Catalog."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from replicator import cli
from replicator.commands.prices import catalog
from replicator.commands.prices.run import PricesRun
from replicator.runtime.lifecycle import execute
from testkit.places import ROOT
from testkit.virtual import JointLoop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "AIzaSyD-Sw0rdF1shSw0rdF1shSw0rdF1shSw0r"
IMAGES: list[dict[str, Any]] = [
    {
        "sku": "D041-B8A1-0001",
        "regions": ["us-central1"],
        "tiers": [{"price": {"USD": "0", "EUR": "0"}}, {"start": 5, "price": {"USD": "0.05", "EUR": "0.046"}}],
    },
    {
        "sku": "D041-B8A1-0002",
        "regions": ["europe"],
        "taxonomy": "MULTI_REGIONAL",
        "members": ["europe-west1"],
        "tiers": [{"price": {"USD": "0.08", "EUR": "0.07"}}],
    },
    {"sku": "D041-B8A1-0003", "description": "Storage Machine Image", "tiers": [{"price": {"USD": "9"}}]},
]
GLOBAL = {"sku": "D041-B8A1-0004", "taxonomy": "GLOBAL", "regions": ["global"], "tiers": [{"price": {"USD": "0.05"}}]}


@pytest.fixture
def billing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog, "_WAITS", (0.0, 0.0))
    with running(scenario={"skus": IMAGES}) as emulator:
        yield emulator
        emulator.assert_faults_used()


def call(emulator: Running, *words: str, **env: str) -> tuple[int, str]:
    stdout = io.StringIO()
    usual = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBILLING": f"{emulator.url}/", "GOOGLE_API_KEY": KEY}
    code = cli.main(["prices", *words], {**usual, **env}, stdout)
    return code, stdout.getvalue()


def table(path: Path) -> dict[str, Any]:
    return {place: price for place, price in json.loads(path.read_bytes())["image_storage_gib_month"].items() if price}


def test_update_in_two_currencies(billing: Running, tmp_path: Path) -> None:
    code, said = call(billing, "update")
    assert code == 0, said
    assert table(tmp_path / "prices.json") == {"us-central1": "0.05", "eu": "0.08"}
    assert call(billing, "update", "--currency", "EUR", "--output", "eur.json")[0] == 0
    assert table(tmp_path / "eur.json") == {"us-central1": "0.046", "eu": "0.07"}
    assert "EUR 0.046" in call(billing, "show", "--prices", "eur.json")[1]
    assert {each["method"] for each in billing.journal()} == {"cloudbilling.services.skus.list"}
    assert KEY not in said + json.dumps(billing.journal())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["eur.json", "prices.json"]


def test_update_of_a_global_price_page_by_page(
    billing: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_PAGE", 1)
    others = [{**IMAGES[2], "sku": f"D041-B8A1-1{number:03}"} for number in range(3)]
    with running(scenario={"skus": [*others, GLOBAL]}) as emulator:
        assert call(emulator, "update")[0] == 0
        assert len(emulator.journal()) == 4
    found = table(tmp_path / "prices.json")
    assert (found["us"], found["me-west1"], set(found.values())) == ("0.05", "0.05", {"0.05"})


def test_contradictions_write_nothing(billing: Running, tmp_path: Path) -> None:
    other = {**IMAGES[0], "sku": "D041-B8A1-0005", "tiers": [{"price": {"USD": "0.06"}}]}
    for listed, says in (
        ([*IMAGES, other], "us-central1 has 0.05 (D041-B8A1-0001) and 0.06 (D041-B8A1-0005)"),
        ([IMAGES[2]], "None of the 1 SKUs"),
    ):
        with running(scenario={"skus": listed}) as emulator:
            code, said = call(emulator, "update")
        assert (code, says in said) == (1, True), said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("action", "times", "code"),
    [
        ({"kind": "http", "code": 503, "reason": "backendError"}, 2, 0),
        ({"kind": "http", "code": 503, "reason": "backendError"}, 3, 4),
        ({"kind": "drop", "when": "before", "how": "close"}, 1, 0),
        ({"kind": "body", "status": 200, "text": "<html>a proxy"}, 3, 4),
        ({"kind": "http", "code": 403, "reason": "forbidden", "message": "API key not valid"}, 1, 3),
    ],
)
def test_refusals_and_losses(billing: Running, tmp_path: Path, action: dict[str, Any], times: int, code: int) -> None:
    billing.faults([{"times": times, "action": action}])
    found, said = call(billing, "update")
    assert found == code, said
    assert (tmp_path / "prices.json").exists() is (code == 0)
    assert KEY not in said


def test_an_endless_answer_ends_within_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes but that of the emulator, which waits for ever."""
    monkeypatch.chdir(tmp_path)
    loops: list[JointLoop] = []
    with running(driven=True, scenario={"skus": IMAGES}) as emulator:

        def loop() -> JointLoop:
            loops.append(JointLoop(emulator))
            return loops[0]

        emulator.faults([{"times": None, "action": {"kind": "hang"}}])
        env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBILLING": emulator.url, "GOOGLE_API_KEY": KEY}
        said = io.StringIO()
        code = execute(PricesRun, {"command": "update"}, env, said, commands=False, loop_factory=loop)
        emulator.faults([])
    assert (code, "no whole answer in 120 seconds" in said.getvalue()) == (4, True), said.getvalue()
    assert loops[0].now - 1000 == pytest.approx(4 * 120 + 1 + 4 + 16)
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_is_told_before_any_call(billing: Running, tmp_path: Path) -> None:
    code, said = call(billing, "update", "--currency", "euro", CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBILLING="ftp://x")
    assert (code, billing.journal()) == (2, [])
    assert "'euro' isn't a valid currency" in said
    assert "'ftp://x' isn't a valid endpoint" in said
    assert call(billing, "update", "--output", "nowhere/prices.json")[0] == 2
    assert call(billing, "update", "--currency", "XXX")[0] == 3


def test_show_says_how_old_they_are(billing: Running, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = call(billing, "show")
    assert (code, billing.journal()) == (0, [])
    assert "us-central1  $0.05\n" in said
    assert (
        "prices are of 2024-07-01, more than 180 days ago; `gce-image-replicator prices update` reads newer ones"
        in said
    )
    found = json.loads(call(billing, "show", "--json")[1])
    assert (found["old"], found["prices"]) == (True, json.loads((ROOT / "replicator" / "prices.json").read_bytes()))


def test_the_page(billing: Running, tmp_path: Path) -> None:
    """Every command and file of docs/cost.md."""
    page = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    yaml = page.partition("```yaml\n")[2].partition("```")[0]
    env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": billing.url, "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}
    billing.add_image(project="p1", name="web-v1", family="web", location="us")
    known = yaml.replace("assumed: true\n", "").replace('us-central1: "0.05", "*"', 'eu: "0.05", asia')
    (line,) = [each for each in page.splitlines() if each.startswith("gce-") and " plan " in each]
    for text, says in ((known, "  2 to copy"), (yaml, "about $0.05 a month (list price of us-central1 assumed")):
        (tmp_path / "prices.json").write_text(text, encoding="utf-8")
        stdout = io.StringIO()
        assert cli.main(line.split()[1:], env, stdout) == 0
        (shown,) = [each for each in page.splitlines() if each.startswith(says)]
        assert shown in stdout.getvalue()
    for line in [each for each in page.splitlines() if each.startswith("gce-") and " prices " in each]:
        assert call(billing, *line.split()[2:])[0] == 0
