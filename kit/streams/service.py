"""The queue over HTTP (extra `[service]`): requests come in and evidence goes out; `kit requests run` does the work.

Without TLS, which a proxy in front has to have, and without limits of how often somebody asks. A token stands for who
takes requests in; its holder sees all of them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.proofs import commitment
from kit.streams import evidence, intake, openapi
from kit.streams.database import FOLDER
from kit.streams.intake import Names
from kit.streams.queue import Asked, Door
from kit.streams.request import Reason, Refused
from kit.streams.store import Clock, Store
from kit.streams.tokens import Tokens
from kit.streams.tombstones import Key, Register
from kit.types import Challenge, FailedRun, InputError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_LARGEST = 1 << 20
_PAGE, _LARGEST_PAGE = 100, 1_000
_STATUS: dict[Reason, int] = {"malformed": 400, "unknown": 404, "duplicate": 409, "late": 422}


def require_starlette() -> None:
    """Checks that the service can run here.

    Raises:
        InputError: its libraries are not installed.
    """
    if not all(importlib.util.find_spec(name) for name in ("starlette", "uvicorn")):
        raise InputError(
            "The service needs the libraries 'starlette' and 'uvicorn', which are not installed. Expected both, for "
            "HTTP. Install them with: python -m pip install starlette uvicorn (or the kit with its extra, .[service])."
        )


@dataclass(frozen=True)
class Service:
    """What the routes need; the examples themselves are not among it.

    Args:
        folder: of the certified model.
        register: tombstones of its training examples.
        names: by what a request may name them.
        clock: tells UTC seconds.
    """

    folder: Path
    register: Register
    names: Names
    clock: Clock

    @classmethod
    def of(cls, folder: Path, challenge: Challenge, clock: Clock) -> Service:
        """Returns the service of a queue, which is made where there is none.

        Args:
            folder: of the certified model.
            challenge: its data.
            clock: tells UTC seconds.
        """
        with Store(folder / FOLDER, clock):
            register = Register.over(Key.of(folder / FOLDER), commitment.contents(challenge.train))
        return cls(folder, register, Names.of(challenge.train), clock)

    def add(self, key: str, body: bytes, requester: str) -> tuple[dict[str, Any], bool]:
        """Takes a request in, and says whether it is new; `Refused` where it is not taken.

        Args:
            key: of idempotency.
            body: JSON, see `kit.streams.intake.read`.
            requester: whose token it was.
        """
        wish = intake.read(body, self.names)
        with self._store() as store:
            asked = Asked([key], [wish.rows], wish.received, wish.deadline, requester)
            ((request, new),) = Door.at(self.folder, self.register, store).add(asked)
            return request.to_json(store.now()), new

    def page(self, after: int, limit: int) -> dict[str, Any]:
        """Returns some requests, those after a number, and how many there are of each state.

        Args:
            after: number of a request; 0 for the first page.
            limit: how many at most.
        """
        with self._store() as store:
            now = store.now()
            requests = [request.to_json(now) for request in store.requests(after=after, limit=limit)]
            return {"counts": store.counts(), "requests": requests}

    def look(self, number: int) -> dict[str, Any]:
        """Returns a request.

        Args:
            number: of the request, from 1.
        """
        with self._store() as store:
            return store.get(number).to_json(store.now())

    def evidence(self, number: int) -> bytes:
        """Returns the evidence of a settled request, zipped.

        Args:
            number: of the request, from 1.
        """
        with self._store() as store:
            return evidence.zipped(store, number)

    def holder(self, header: str) -> str | None:
        """Returns whose token a header `Authorization` has; None where it has none.

        Args:
            header: `Bearer TOKEN`, or anything else.
        """
        scheme, _, token = header.partition(" ")
        return Tokens.read(self.folder / FOLDER).holder(token.strip()) if scheme.lower() == "bearer" else None

    def _store(self) -> Store:
        return Store.existing(self.folder / FOLDER, self.clock)


def application(service: Service, version: str) -> Starlette:
    """Returns the application, for any ASGI server.

    Args:
        service: of the queue.
        version: of the kit, for the description.
    """
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, JSONResponse, Response
    from starlette.routing import Route

    content = openapi.description(version)

    async def add(request: Request, holder: str) -> Response:
        key, body = request.headers.get("idempotency-key", ""), await _body(request)
        added, new = await _apart(service.add, key, body, holder)
        return JSONResponse(added, 201 if new else 200, {"Location": f"/requests/{added['number']}"})

    async def page(request: Request, _: str) -> Response:
        after, limit = (_whole(request, name, value) for name, value in (("after", 0), ("limit", _PAGE)))
        return JSONResponse(await _apart(service.page, after, min(limit, _LARGEST_PAGE)))

    async def look(request: Request, _: str) -> Response:
        return JSONResponse(await _apart(service.look, request.path_params["number"]))

    async def archive(request: Request, _: str) -> Response:
        number = request.path_params["number"]
        headers = {"Content-Disposition": f'attachment; filename="request-{number}.zip"'}
        return Response(await _apart(service.evidence, number), 200, headers, "application/zip")

    guarded = {route.__name__: _guarded(service, route) for route in (add, page, look, archive)}
    return Starlette(
        routes=[
            Route("/", lambda _: HTMLResponse(openapi.page(content))),
            Route("/health", lambda _: JSONResponse({"status": "ok"})),
            Route("/openapi.json", lambda _: JSONResponse(content)),
            Route("/requests", guarded["page"], methods=["GET"]),
            Route("/requests", guarded["add"], methods=["POST"]),
            Route("/requests/{number:int}", guarded["look"]),
            Route("/requests/{number:int}/evidence", guarded["archive"]),
        ]
    )


def _guarded(
    service: Service, route: Callable[[Request, str], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Returns a route that asks for a token first, and answers errors with a status and one paragraph."""
    from starlette.responses import JSONResponse

    async def answer(request: Request) -> Response:
        try:
            holder = await _apart(service.holder, request.headers.get("authorization", ""))
            if holder is None:
                text = "There is no valid token. Expected 'Authorization: Bearer TOKEN'. Ask whoever runs the service."
                return JSONResponse({"error": text}, 401, {"WWW-Authenticate": "Bearer"})
            return await route(request, holder)
        except _TooLarge:
            text = f"The request is larger than {_LARGEST:,} bytes. Expected less. Send several requests."
            return JSONResponse({"error": text}, 413)
        except Refused as error:
            return JSONResponse({"error": str(error)}, _STATUS[error.reason])
        except (InputError, FailedRun) as error:  # a damaged or a locked file: nothing that the client can mend
            return JSONResponse({"error": str(error)}, 503)

    return answer


async def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls what waits for a disk in a thread, so that others are answered meanwhile."""
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(function, *arguments)


class _TooLarge(Exception):
    """A body of more bytes than are read."""


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST:
            raise _TooLarge
    return bytes(body)


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Refused("malformed", f"'{name}' is {text[:20]!r}. Expected a whole number, 0 or more. Correct it.")
    return int(text)
