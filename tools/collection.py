"""Write docs/reference/casedial.postman_collection.json from the OpenAPI document: ``python -m tools.collection``.

Postman, Bruno, Insomnia and Hoppscotch read it. Whoever imports it sets two variables, ``root`` and ``key``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from casedial.settings import Settings
from casedial.web.openapi import document

FILE = Path(__file__).parents[1] / "docs" / "reference" / "casedial.postman_collection.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
ROOT = "http://127.0.0.1:8000"
ABOUT = """\
The requests of casedial, with the examples of its reference. Set the variables of this collection: root, the address of
your server, and key, a ClientKey. Each write has a new Idempotency-Key. Parameters that are not required are off.
"""
_JSON = "application/json"
_ONCE = "Idempotency-Key"
Json = dict[str, Any]


def collection() -> Json:
    """Return the whole collection: a folder for each subject, a request for each operation.

    Of a method that takes several verbs there is the one with a body: the other means the same.
    """
    whole = document(Settings().base)
    folders: dict[str, list[Json]] = {}
    for path, operations in whole["paths"].items():
        is_method = path.startswith(Settings().base)
        for verb, operation in operations.items():
            if not is_method or verb == "post":
                folders.setdefault(_folder(path, is_method), []).append(_request(whole, path, verb, operation))
    return {
        "info": {"name": "casedial", "description": ABOUT, "schema": SCHEMA},
        "auth": {
            "type": "apikey",
            "apikey": [*_pairs(key="X-ApiKey", value="{{key}}"), {"key": "in", "value": "header"}],
        },
        "variable": _pairs(root=ROOT, key=""),
        "item": [{"name": name, "item": requests} for name, requests in folders.items()],
    }


def _folder(path: str, is_method: bool) -> str:
    return "Predictive Dialer API" if is_method else path.split("/")[2]


def _request(whole: Json, path: str, verb: str, operation: Json) -> Json:
    parameters = [_found(whole, one) for one in operation.get("parameters", ())]
    request: Json = {
        "method": verb.upper(),
        "header": [{"key": _ONCE, "value": "{{$guid}}"}] if any(one["name"] == _ONCE for one in parameters) else [],
        "url": _url(path, [one for one in parameters if one["in"] in ("path", "query")], "requestBody" in operation),
        "description": operation.get("description", ""),
    }
    if "requestBody" in operation:
        example = operation["requestBody"]["content"][_JSON]["example"]
        raw = json.dumps(example, indent=2, ensure_ascii=False)
        request["body"] = {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}
        request["header"].append({"key": "Content-Type", "value": _JSON})
    return {"name": operation["summary"], "request": request, "response": [_reply(request, operation)]}


def _found(whole: Json, parameter: Json) -> Json:
    """Return a parameter, or what it refers to."""
    name = parameter.get("$ref", "").rpartition("/")[2]
    found: Json = whole["components"]["parameters"][name] if name else parameter
    return found


def _url(path: str, parameters: list[Json], has_body: bool) -> Json:
    parts = [f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    places = [one for one in parameters if one["in"] == "path"]
    queries = [] if has_body else [one for one in parameters if one["in"] == "query"]  # the body has them, too
    sent = "&".join(f"{one['name']}={_value(one)}" for one in queries if one.get("required"))
    url: Json = {"raw": "/".join(["{{root}}", *parts]) + f"?{sent}" * bool(sent), "host": ["{{root}}"], "path": parts}
    if places:
        url["variable"] = [{"key": one["name"], "value": _value(one)} for one in places]
    if queries:
        url["query"] = [
            {
                "key": one["name"],
                "value": _value(one),
                "description": one.get("description", ""),
                "disabled": not one.get("required"),
            }
            for one in queries
        ]
    return url


def _value(parameter: Json) -> str:
    """Return what stands for a parameter until somebody types another: its example, where it has one."""
    schema = parameter["schema"]
    for found in (*schema.get("examples", ()), *schema.get("enum", ()), schema.get("default"), schema.get("minimum")):
        if found is not None:
            return str(found).lower() if isinstance(found, bool) else str(found)
    return "7" if parameter["name"] in ("case_id", "CaseID") else ""


def _reply(request: Json, operation: Json) -> Json:
    success = operation["responses"]["200"]["content"][_JSON]
    return {
        "name": "Done",
        "originalRequest": request,
        "status": "OK",
        "code": 200,
        "_postman_previewlanguage": "json",
        "header": [{"key": "Content-Type", "value": _JSON}],
        "body": json.dumps(success.get("example"), indent=2, ensure_ascii=False),
    }


def _pairs(**values: str) -> list[Json]:
    return [{"key": key, "value": value} for key, value in values.items()]


def text() -> str:
    """Return the file's text."""
    return json.dumps(collection(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
