from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import requests
from google.auth import exceptions as auth_errors

from replicator.compute import credentials
from replicator.compute.errors import SignInFailed
from replicator.compute.refusals import NoToken, NoWay
from replicator.compute.services import json_api
from replicator.compute.services.json_api import JsonApi, Lack, Unanswered

TOKEN = "ya29.a0AfH6SMBx-Sw0rdF1sh_Sw0rdF1sh"


@dataclass
class Session:
    """Answers everything alike, or fails."""

    status: int = 200
    text: str = "{}"
    error: Exception | None = None
    sent: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def request(self, verb: str, url: str, **more: Any) -> requests.Response:
        self.sent.append((verb, url, more))
        if self.error:
            raise self.error
        answer = requests.Response()
        answer.status_code, answer._content = self.status, self.text.encode()
        return answer


def api(session: Session) -> JsonApi:
    made = JsonApi("The Service", "https://service.example", credentials.anonymous(), timeout=(1.0, 2.0))
    made.session = session
    return made


def test_an_answer_is_its_object() -> None:
    session = Session(text='{"a": 1}')
    answer = api(session).send("POST", "v1/projects/a b:do", {"x": 1}, {"q": "2"})
    assert (answer.ok, answer.body, answer.message) == (True, {"a": 1}, "")
    assert session.sent == [
        (
            "POST",
            "https://service.example/v1/projects/a%20b:do",
            {"allow_redirects": False, "timeout": (1.0, 2.0), "json": {"x": 1}, "params": {"q": "2"}},
        )
    ]


def test_a_refusal_says_what_its_details_name_without_secrets() -> None:
    error = {
        "message": f"The token {TOKEN} may not. {'x' * 900}",
        "errors": [{"reason": "forbidden"}, "nonsense"],
        "details": [{"reason": "SERVICE_DISABLED"}],
    }
    answer = api(Session(403, json.dumps({"error": {**error, "message": f"No {TOKEN}."}}))).send("GET", "v1/a")
    assert (answer.ok, answer.status, answer.body) == (False, 403, {})
    assert answer.message == "No (secret) forbidden SERVICE_DISABLED"
    assert len(api(Session(403, json.dumps({"error": error}))).send("GET", "v1/a").message) < 700


@pytest.mark.parametrize(
    ("status", "text", "again"),
    [
        (200, "<html>", True), (200, "[]", True), (204, "", False), (302, "", False), (404, "<html>", False),
        (403, '{"error": "no"}', False), (429, "slow down", True), (502, "<html>", True), (200, "[" * 100_000, True),
    ],
)  # fmt: skip
def test_what_is_not_the_service_s_own_is_no_answer(status: int, text: str, again: bool) -> None:
    with pytest.raises(
        Unanswered, match=rf"GET v1/a was answered with HTTP {status}, which is not The Service's"
    ) as told:
        api(Session(status, text)).send("GET", "v1/a")
    assert (told.value.lack, told.value.again) == (Lack.SENSE, again)


@pytest.mark.parametrize(
    ("error", "lack", "again", "says"),
    [
        (requests.ConnectionError(f"https://x?token={TOKEN}"), Lack.ANSWER, True, "No answer from service.example"),
        (requests.Timeout(), Lack.ANSWER, True, "No answer from service.example"),
        (OSError("No such file"), Lack.ANSWER, True, "No answer from service.example"),
        (NoToken("The token service is down"), Lack.TOKEN, True, "The token service is down"),
        (NoWay("No way", remedy="Mend it."), Lack.TOKEN, False, "No way"),
        (auth_errors.TransportError("no"), Lack.TOKEN, True, "the sign-in got no answer"),  # type: ignore[no-untyped-call]
    ],
)
def test_why_there_is_no_answer(error: Exception, lack: Lack, again: bool, says: str) -> None:
    with pytest.raises(Unanswered) as told:
        api(Session(error=error)).send("GET", "v1/a")
    assert (told.value.lack, told.value.again) == (lack, again)
    assert says in str(told.value)
    assert told.value.remedy == ("" if again else "Mend it.")
    assert TOKEN not in str(told.value)


def test_a_sign_in_that_no_wait_mends_is_its_own_failure() -> None:
    with pytest.raises(SignInFailed):
        api(Session(error=auth_errors.RefreshError("x"))).send("GET", "v1/a")  # type: ignore[no-untyped-call]


def test_nobody_sends_no_credentials_of_a_netrc() -> None:
    session = json_api.nobodys()
    prepared = session.prepare_request(requests.Request("GET", "https://ghcr.io/v2/"))
    assert "Authorization" not in prepared.headers
    assert callable(session.auth)


@pytest.mark.parametrize(("failures", "tries"), [(0, 1), (2, 3), (5, 4)])
def test_what_may_pass_is_sent_again_after_each_pause(failures: int, tries: int) -> None:
    sent: list[int] = []
    waited: list[float] = []

    def send() -> str:
        sent.append(1)
        if len(sent) <= failures:
            raise Unanswered("no", Lack.ANSWER, again=True)
        return "done"

    async def pause(seconds: float, _: Exception) -> None:
        waited.append(seconds)

    def passing(error: Exception) -> bool:
        return isinstance(error, Unanswered) and error.again

    run = partial(json_api.repeated, send, (1.0, 2.0, 4.0), passing=passing, pause=pause)
    if failures == 5:
        with pytest.raises(Unanswered):
            asyncio.run(run())
    else:
        assert asyncio.run(run()) == "done"
    assert (len(sent), waited) == (tries, [1.0, 2.0, 4.0][: tries - 1])


def test_what_does_not_pass_is_raised_at_once() -> None:
    async def pause(_: float, __: Exception) -> None:
        pytest.fail("there is nothing to wait for")

    def send() -> None:
        raise Unanswered("no", Lack.ANSWER, again=False)

    with pytest.raises(Unanswered):
        asyncio.run(json_api.repeated(send, (1.0,), passing=lambda _: False, pause=pause))
