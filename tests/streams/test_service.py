"""The service: six paths, a token, a status and a paragraph for whatever comes, and a description that is true."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from queues import BEGINNING, Hands, Ledger, leases

from kit.proofs import commitment
from kit.proofs.salts import Salts
from kit.streams import openapi, policies, service, tokens
from kit.streams.database import FOLDER
from kit.streams.intake import Names
from kit.streams.request import shown
from kit.streams.running import serve
from kit.streams.store import Store
from kit.streams.tombstones import Key, Register
from kit.types import Arrays, InputError

pytest.importorskip("starlette")

NUMBERS = np.arange(12)
TRAIN = Arrays(np.eye(12), NUMBERS % 3, groups=NUMBERS // 3, keys={"customer": NUMBERS + 100})


class Answer:
    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.status = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    @property
    def content(self) -> Any:
        return json.loads(self.body)


def ask(app: Any, verb: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Asks an ASGI application in this process."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": verb,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("test", 1),
        "server": ("test", 80),
    }
    parts = [body[place : place + 100_000] for place in range(0, len(body), 100_000)] or [b""]
    coming = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    coming[-1]["more_body"] = False
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    asyncio.run(app(scope, receive, send))
    return Answer(messages)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Salts.drawn(commitment.contents(TRAIN)).write(tmp_path)
    return tmp_path


@pytest.fixture
def app(folder: Path, clock: Hands) -> Any:
    with Store(folder / FOLDER, clock):
        register = Register.over(Key.of(folder / FOLDER), commitment.contents(TRAIN))
    return service.application(service.Service(folder, register, Names.of(TRAIN), clock), "0.0")


@pytest.fixture
def asked(app: Any, folder: Path) -> Callable[..., Answer]:
    token = tokens.issue(folder / FOLDER, "the desk")
    tokens.issue(folder / FOLDER, "another desk")

    def call(verb: str, path: str, content: object = None, **headers: str) -> Answer:
        body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        return ask(app, verb, path, body, **({"authorization": f"Bearer {token}"} | headers))

    return call


def test_a_request_comes_in_is_served_and_its_evidence_goes_out(
    asked: Callable[..., Answer], folder: Path, clock: Hands
) -> None:
    first = asked("POST", "/requests", {"rows": [3, 4]}, idempotency_key="a-1")
    assert (first.status, first.headers["location"]) == (201, "/requests/1")
    assert first.content["requester"] == "the desk"
    assert first.content["received"] == shown(BEGINNING)
    again = asked("POST", "/requests", {"rows": [4, 3]}, idempotency_key="a-1")
    assert (again.status, again.content) == (200, first.content)
    assert asked("GET", "/requests/1").content == first.content
    assert asked("GET", "/requests/1/evidence").status == 404
    with Store(folder / FOLDER, clock) as store:
        work = Ledger(folder / "model.json")
        work.write(list(store.requested_records()), {})
        list(serve(leases(store), work, policies.named("at-once")))
    archive = asked("GET", "/requests/1/evidence")
    assert archive.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(archive.body)) as opened:
        assert json.loads(opened.read("0001/evidence.json"))["request"]["requester"] == "the desk"
    assert asked("GET", "/requests/1").content["state"] == "done"


def test_records_are_named_by_rows_owners_or_ids(asked: Callable[..., Answer]) -> None:
    assert asked("POST", "/requests", {"owner": "1"}, idempotency_key="a").content["records"] == 3
    assert asked("POST", "/requests", {"rows": [3]}, idempotency_key="b").status == 409
    ids = {"column": "customer", "values": ["100", "111"]}
    assert asked("POST", "/requests", {"ids": ids}, idempotency_key="c").content["records"] == 2
    for number, rows in enumerate(([0], [11])):
        assert asked("POST", "/requests", {"rows": rows}, idempotency_key=f"d{number}").status == 409


def test_pages_of_requests(asked: Callable[..., Answer]) -> None:
    for row in range(5):
        asked("POST", "/requests", {"rows": [row]}, idempotency_key=f"{row}")
    page = asked("GET", "/requests?after=1&limit=2").content
    assert [request["number"] for request in page["requests"]] == [2, 3]
    assert page["counts"] == {"waiting": 5, "at work": 0, "done": 0}


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", "Basic abc", "Bearer " + "0" * 64, "é"])
@pytest.mark.parametrize("path", ["/requests", "/requests/1", "/requests/1/evidence"])
def test_without_a_token_there_is_nothing(asked: Callable[..., Answer], header: str, path: str) -> None:
    answer = asked("GET", path, authorization=header)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert asked("POST", "/requests", {"rows": [1]}, authorization=header, idempotency_key="a").status == 401
    assert asked("GET", "/requests").content["requests"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"rows": [1], "rows": [2]}', 400),
        (b'{"rows": [NaN]}', 400),
        (b'{"rows": [1e999]}', 400),
        (b'{"rows": "1"}', 400),
        (b'{"rows": [true]}', 400),
        (b'{"rows": [1.0]}', 400),
        (b'{"rows": []}', 400),
        (b'{"rows": [1], "owner": "1"}', 400),
        (b'{"rows": [1], "sudo": true}', 400),
        (b'{"owner": 1}', 400),
        (b'{"ids": {"column": "customer"}}', 400),
        (b'{"ids": {"column": "customer", "values": [100]}}', 400),
        (b'{"rows": [1], "deadline": "soon"}', 400),
        (b'{"rows": [1], "deadline": 5}', 400),
        (b'{"rows": [12]}', 404),
        (b'{"rows": [-1]}', 404),
        (b'{"owner": "99"}', 404),
        (b'{"ids": {"column": "name", "values": ["x"]}}', 404),
        (b'{"ids": {"column": "customer", "values": ["100", "99"]}}', 404),
        (b'{"rows": [7]}', 409),
        (b'{"rows": [1], "received": "8000-01-01"}', 422),
        (b'{"rows": [1], "deadline": "2001-01-01"}', 422),
        (b'{"rows": [1], "owner": "' + b"x" * (1 << 20) + b'"}', 413),
    ],
)
def test_bad_requests_get_a_status_and_a_paragraph_and_nothing_is_lost(
    asked: Callable[..., Answer], body: bytes, status: int
) -> None:
    asked("POST", "/requests", {"rows": [7]}, idempotency_key="first")
    answer = asked("POST", "/requests", body, idempotency_key="second")
    assert answer.status == status, answer.body
    error = answer.content["error"]
    assert " Expected " in error
    assert "\n" not in error
    assert asked("GET", "/requests").content["counts"]["waiting"] == 1


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/requests/0", 404),
        ("GET", "/requests/99999999999999999999999", 404),
        ("GET", "/requests/x", 404),
        ("GET", "/requests/../../etc", 404),
        ("GET", "/requests?limit=-1", 400),
        ("GET", "/requests?after=" + "9" * 30, 400),
        ("GET", "/requests?after=%C2%B2", 400),
        ("DELETE", "/requests/1", 405),
        ("PUT", "/requests", 405),
        ("GET", "/nothing", 404),
    ],
)
def test_bad_paths(asked: Callable[..., Answer], verb: str, path: str, status: int) -> None:
    assert asked(verb, path).status == status


def test_a_request_needs_a_key(asked: Callable[..., Answer]) -> None:
    assert asked("POST", "/requests", {"rows": [1]}).status == 400
    assert asked("POST", "/requests", {"rows": [1]}, idempotency_key="é").status == 400


def test_a_damaged_queue_is_told_of(asked: Callable[..., Answer], folder: Path) -> None:
    (folder / FOLDER / "requests.sqlite-wal").unlink(missing_ok=True)
    (folder / FOLDER / "requests.sqlite").write_bytes(b"no database, but long enough to look like one" * 99)
    answer = asked("GET", "/requests")
    assert answer.status == 503
    assert "is damaged" in answer.content["error"]


def test_the_description_and_the_page_name_what_there_is(app: Any) -> None:
    content = ask(app, "GET", "/openapi.json").content
    assert len(content["paths"]) == 6
    described = {(path, verb.upper()) for path, verbs in content["paths"].items() for verb in verbs}
    routes = {(route.path.replace(":int", ""), verb) for route in app.routes for verb in route.methods - {"HEAD"}}
    assert described == routes
    for path, verbs in content["paths"].items():
        for verb, operation in verbs.items():
            status = ask(app, verb.upper(), path.replace("{number}", "1")).status
            assert status == (401 if "security" in operation else 200)
    page = ask(app, "GET", "/").body.decode()
    for path in content["paths"]:
        assert path.replace("{", "{") in page
    assert "<script" not in page
    assert "http" not in page.replace("HTTP", "")
    assert ask(app, "GET", "/health").content == {"status": "ok"}
    assert "<b>" not in openapi.page(content | {"info": content["info"] | {"title": "<b>"}})


def test_tokens(folder: Path) -> None:
    with pytest.raises(InputError, match="kit requests token"):
        tokens.Tokens.read(folder / FOLDER)
    first, second = tokens.issue(folder / FOLDER, "a"), tokens.issue(folder / FOLDER, "b")
    read = tokens.Tokens.read(folder / FOLDER)
    assert (read.holder(first), read.holder(second), read.holder("")) == ("a", "b", None)
    path = folder / FOLDER / tokens.NAME
    assert path.stat().st_mode & 0o077 == 0
    assert first not in path.read_text()
    with pytest.raises(InputError, match="cannot be the name of a holder"):
        tokens.issue(folder / FOLDER, "a\nb")
    with pytest.raises(InputError, match=r"who are: a, b\."):
        tokens.revoke(folder / FOLDER, "c")
    path.write_text(path.read_text().replace('"b"', '"c"'))
    with pytest.raises(InputError, match="cannot be read"):
        tokens.Tokens.read(folder / FOLDER)


def test_a_token_that_was_taken_back_is_valid_no_more(app: Any, folder: Path) -> None:
    """At the next request, while the service runs; another holder's stays, and so does a second name's."""
    lost, kept = tokens.issue(folder / FOLDER, "lost"), tokens.issue(folder / FOLDER, "kept")
    again = tokens.issue(folder / FOLDER, "lost")
    assert ask(app, "GET", "/requests", authorization=f"Bearer {lost}").status == 200
    assert tokens.revoke(folder / FOLDER, "lost") == 2
    for token, status in ((lost, 401), (again, 401), (kept, 200)):
        assert ask(app, "GET", "/requests", authorization=f"Bearer {token}").status == status
    tokens.revoke(folder / FOLDER, "kept")
    assert ask(app, "GET", "/requests", authorization=f"Bearer {kept}").status == 401
    assert not (folder / FOLDER / ".tokens.lock").exists()
