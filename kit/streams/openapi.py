"""The service described: as OpenAPI 3.1 for programs, and as a page for people that is made of the same description."""

from __future__ import annotations

import html
from typing import Any

_SECURITY: list[dict[str, list[str]]] = [{"token": []}]
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_NUMBER = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
_REQUEST = {
    "type": "object",
    "properties": {
        "number": {"type": "integer"},
        "key": {"type": "string"},
        "state": {"enum": ["waiting", "at work", "done"]},
        "records": {"type": "integer"},
        "requester": {"type": "string"},
        "received": {"type": "string", "format": "date-time"},
        "deadline": {"type": "string", "format": "date-time"},
        "settled": {"type": ["string", "null"], "format": "date-time"},
        "missed": {"type": "boolean"},
    },
}
_WISH = {
    "type": "object",
    "properties": {
        "rows": {"type": "array", "items": {"type": "integer"}, "description": "Of the training data, from 0."},
        "owner": {"type": "string", "description": "Whose records, where the data say so."},
        "ids": {
            "type": "object",
            "properties": {"column": {"type": "string"}, "values": {"type": "array", "items": {"type": "string"}}},
        },
        "received": {"type": "string", "description": "A date, if not now."},
        "deadline": {"type": "string", "description": "A date; by default a month later."},
    },
    "additionalProperties": False,
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Sent again with the same, it is one request.",
    "schema": {"type": "string", "maxLength": 200},
}
_ZIPPED = {"description": "A zip file.", "content": {"application/zip": {}}}
_TEXT = (
    "A queue of requests to forget. It speaks HTTP without TLS: keep it behind a proxy that has it. Tokens are for "
    "those who take requests in, not for the persons themselves."
)
_ERRORS = {
    "400": "It cannot be read.",
    "401": "There is no valid token.",
    "404": "There is no such record or request.",
    "409": "The key or a record is that of another request.",
    "413": "It is too large.",
    "422": "Its dates cannot be.",
    "503": "The queue cannot be used now; try again.",
}


def description(version: str) -> dict[str, Any]:
    """Returns the OpenAPI description of the service.

    Args:
        version: of the kit.

    Example:
        >>> sorted(description("1.0")["paths"])
        ['/', '/health', '/openapi.json', '/requests', '/requests/{number}', '/requests/{number}/evidence']
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": "Requests to forget", "version": version, "description": _TEXT},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/": {"get": _open("This page.")},
            "/health": {"get": _open("Whether the service runs.")},
            "/openapi.json": {"get": _open("This description.")},
            "/requests": {"post": _add(), "get": _look()},
            "/requests/{number}": {
                "get": _operation("Look at a request.", {"200": _json("The request.", _REQUEST)}, 3)
                | {"parameters": [_NUMBER]}
            },
            "/requests/{number}/evidence": {
                "get": _operation("Get the evidence of a settled request.", {"200": _ZIPPED}, 3)
                | {"parameters": [_NUMBER]}
            },
        },
    }


def _open(summary: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": "Always."}}}


def _add() -> dict[str, Any]:
    responses = {"201": _json("It is new.", _REQUEST), "200": _json("It was there.", _REQUEST)}
    return _operation("Take a request in.", responses, 6) | {
        "parameters": [_KEY],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _WISH}}},
    }


def _look() -> dict[str, Any]:
    whole = {"type": "integer", "minimum": 0}
    return _operation("Look at requests, a page at a time.", {"200": _json("A page.", {"type": "object"})}, 2) | {
        "parameters": [{"name": name, "in": "query", "schema": whole} for name in ("after", "limit")]
    }


def _json(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _operation(summary: str, responses: dict[str, Any], errors: int) -> dict[str, Any]:
    """Returns an operation that asks for a token; `errors`: of the first so many kinds, and that the queue is busy."""
    kinds = [*list(_ERRORS)[:errors], "503"]
    refusals = {status: _json(_ERRORS[status], _ERROR) for status in kinds}
    return {"summary": summary, "security": _SECURITY, "responses": responses | refusals}


def page(content: dict[str, Any]) -> str:
    """Returns a description as a page: no script, nothing from elsewhere.

    Args:
        content: the description, as `/openapi.json` has it.

    Returns:
        HTML, in which all texts are escaped.
    """
    rows = []
    for path, operations in content["paths"].items():
        for verb, operation in operations.items():
            answers = ", ".join(
                f"{status}: {html.escape(answer['description'])}" for status, answer in operation["responses"].items()
            )
            asks = ", ".join(parameter["name"] for parameter in operation.get("parameters", ()))
            token = "token" if "security" in operation else ""
            cells = (f"<code>{verb.upper()} {html.escape(path)}</code>", html.escape(operation["summary"]))
            rows.append(f"<tr><td>{'<td>'.join((*cells, html.escape(asks), token, answers))}")
    info = content["info"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(info["title"])}</title>'
        "<style>body{font:16px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;border-top:1px solid #ccc}</style>"
        f"<h1>{html.escape(info['title'])}</h1><p>{html.escape(info['description'])}"
        "<table><tr><th>route<th>what it does<th>asks for<th>needs<th>answers"
        f"{''.join(rows)}</table><p><a href='/openapi.json'>openapi.json</a>"
    )
