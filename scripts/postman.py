"""Write `docs/postman_collection.json` from the OpenAPI document, in an order in which it runs from top to bottom.

A user signs up, signs in, looks around, trades and signs out; every request checks its answer. Left out are streams,
which do not end, exchange credentials, which need keys to an exchange, second factors, which need an app, the closing
of a position, which needs one, what needs a tournament, which administrators make, or a mail server, and the deletion
of users, which counts as a login: there are five in a minute.
"""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Iterator
from typing import Any

import yaml

from scripts import openapi
from scripts import postman_story as story

PATH = openapi.PATH.parent / "docs" / "postman_collection.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_METHODS = ("post", "get", "patch", "put", "delete")
_STREAM = "text/event-stream"


def generate() -> str:
    """Return the collection as JSON, always the same for the same document."""
    document = yaml.safe_load(openapi.generate())
    folders: dict[str, list[dict[str, Any]]] = {}
    last = []
    for path, method, operation in _in_order(document):
        item = _item(path, method, operation)
        if operation["operationId"] in story.LAST:
            last.append((story.LAST.index(operation["operationId"]), item))
        else:
            tag = operation["tags"][0]
            folders.setdefault(story.FOLDERS.get(tag, tag), []).append(item)
    described = {tag["name"]: tag["description"] for tag in document["tags"]}
    names = sorted(folders, key=lambda name: story.FIRST.index(name) if name in story.FIRST else len(story.FIRST))
    collection = {
        "info": {
            "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, SCHEMA + document["info"]["title"])),
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "schema": SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [
            {"key": "baseUrl", "value": document["servers"][1]["url"]},
            {"key": "password", "value": "correct-horse-7-staple"},
            *(
                {"key": key, "value": ""}
                for key in ("username", *sorted({key for kept in story.KEEP.values() for key in kept}))
            ),
        ],
        "item": [
            *({"name": name, "description": described[name], "item": folders[name]} for name in names),
            {"name": "sign out", "item": [item for _, item in sorted(last, key=lambda each: each[0])]},
        ],
    }
    return json.dumps(collection, indent=2, ensure_ascii=False) + "\n"


def _in_order(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the operations: other paths after their originals, then by method; one thing is deleted before all."""
    found = [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
        and not {operation["tags"][0], operation["operationId"]} & set(story.LEFT_OUT)
        and "101" not in operation["responses"]
        and _STREAM not in operation["responses"].get("200", {}).get("content", {})
    ]

    def key(one: tuple[str, str, dict[str, Any]]) -> tuple[int, bool, int, bool]:
        path, method, operation = one
        name, is_alias = operation["operationId"], "_alias" in operation["operationId"]
        deletes_all = method == "delete" and "{" not in path
        return _place(name.partition("_alias")[0]), is_alias, _METHODS.index(method), deletes_all

    yield from sorted(found, key=key)


def _place(operation: str) -> int:
    """Return where in the story an operation stands; those that are not in it come between its two parts."""
    opening, *rest = story.STORY
    if operation in opening:
        return opening.index(operation) - len(opening)
    later = [each for part in rest for each in part]
    return later.index(operation) + 1 if operation in later else 0


def _item(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    name = operation["operationId"]
    parameters = operation.get("parameters", [])
    request: dict[str, Any] = {
        "method": method.upper(),
        "description": " ".join(filter(None, (operation["summary"], operation.get("description")))),
        "header": [
            {"key": one["name"], "value": story.HEADER_VALUES[one["name"]], "description": one["description"]}
            for one in parameters
            if one["in"] == "header"
        ],
        "url": _url(path, parameters, futures=name in story.FUTURES),
    }
    if operation.get("security") == []:
        request["auth"] = {"type": "noauth"}
    if "requestBody" in operation:
        media = operation["requestBody"]["content"]["application/json"]
        schema = media["schema"]["$ref"].rpartition("/")[2]
        body = story.BODIES.get(schema) or next(iter(media["examples"].values()))["value"]
        request["header"].append({"key": "Content-Type", "value": "application/json"})
        request["body"] = {
            "mode": "raw",
            "raw": json.dumps(body, indent=2),
            "options": {"raw": {"language": "json"}},
        }
    before = [{"listen": "prerequest", "script": _script(story.BEFORE[name])}] if name in story.BEFORE else []
    after = {"listen": "test", "script": _script(_tests(name, operation))}
    return {"name": f"{method.upper()} {path}", "event": [*before, after], "request": request, "response": []}


def _url(path: str, parameters: list[dict[str, Any]], *, futures: bool = False) -> dict[str, Any]:
    values = {**story.PATH_VALUES, **({"symbol": "BTC-USDT:USDT"} if futures else {})}
    named = [step.strip("{}") for step in path.split("/") if step.startswith("{")]
    query = [
        {
            "key": one["name"],
            "value": story.QUERY_VALUES.get(one["name"], str(one["schema"].get("default", ""))),
            "description": one["description"],
            "disabled": not one["required"],
        }
        for one in parameters
        if one["in"] == "query"
    ]
    steps = [f":{step.strip('{}')}" if step.startswith("{") else step for step in path.strip("/").split("/")]
    sent = "&".join(f"{one['key']}={one['value']}" for one in query if not one["disabled"])
    url: dict[str, Any] = {
        "raw": "{{baseUrl}}/" + "/".join(steps) + (f"?{sent}" if sent else ""),
        "host": ["{{baseUrl}}"],
        "path": steps,
    }
    if query:
        url["query"] = query
    if named:
        url["variable"] = [{"key": each, "value": values[each]} for each in named]
    return url


def _tests(name: str, operation: dict[str, Any]) -> list[str]:
    success = next(status for status in operation["responses"] if status < "400")
    # the page that the start leads to is what a client that follows redirects sees
    is_kept_out = operation["tags"][0] in story.ADMIN_ONLY or name.partition("_alias")[0] in story.FOR_ADMINS
    status = "403" if is_kept_out else "200" if success == "302" else success
    lines = [f'pm.test("answers {status}", () => pm.response.to.have.status({status}));']
    lines.append('pm.test("has a request id", () => pm.response.to.have.header("X-Request-ID"));')
    media = operation["responses"][success].get("content", {}).get("application/json")
    if media is None or is_kept_out:
        return lines
    lines.append('pm.test("is a success", () => pm.expect(pm.response.json().success).to.equal(true));')
    kept = story.KEEP.get(name.partition("_alias")[0])
    if kept is not None:
        lines.append("const answer = pm.response.json().data;")
        lines += [f'pm.collectionVariables.set("{key}", {value});' for key, value in kept.items()]
    return lines


def _script(lines: list[str]) -> dict[str, Any]:
    return {"type": "text/javascript", "exec": lines}


def main() -> int:
    """Write the file."""
    argparse.ArgumentParser(prog="python -m scripts.postman", description=__doc__).parse_args()
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(generate(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
