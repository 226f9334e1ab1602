"""A description of the API in OpenRPC, made of the types that the server reads and writes by."""

from __future__ import annotations

from functools import cache
from inspect import cleandoc
from typing import Any, Final

import msgspec

from holdfast.apps.i3.api.methods import METHODS, Method
from holdfast.apps.i3.api.rpc import RpcCode
from holdfast.apps.i3.gateway import EVENTS

VERSION: Final = "1.3.2"
SCHEMAS: Final = "#/components/schemas/{name}"


@cache
def described(mud_name: str) -> dict[str, object]:
    """Describe all methods and events.

    Args:
        mud_name: whose API it is.

    Returns:
        An OpenRPC document; events, which OpenRPC does not know, are under ``x-events``.
    """
    results = [method.result for method in METHODS.values()]
    structs = [method.params for method in METHODS.values()]
    _, schemas = msgspec.json.schema_components([*structs, *results, *EVENTS], ref_template=SCHEMAS)
    (*answers,), _ = msgspec.json.schema_components(results, ref_template=SCHEMAS)
    methods = [
        _method(method, answer, schemas)
        for method, answer in zip(METHODS.values(), answers, strict=True)
    ]
    return {
        "openrpc": VERSION,
        "info": {
            "title": f"Intermud-3 gateway of {mud_name}",
            "description": "JSON-RPC 2.0 over WebSocket at /ws, or one object a line over TCP.",
            "version": "1.0.0",
        },
        "methods": methods,
        "components": {"schemas": schemas},
        "x-events": [
            {
                "name": event.method,
                "description": cleandoc(event.__doc__ or ""),
                "params": {"$ref": SCHEMAS.format(name=event.__name__)},
                "adds": {
                    "event_id": {"type": "integer", "description": "Grows; give it as after."},
                    "timestamp": {"type": "string", "format": "date-time"},
                },
            }
            for event in EVENTS
        ],
    }


def _method(method: Method, answer: dict[str, Any], schemas: dict[str, Any]) -> dict[str, object]:
    schema = schemas[method.params.__name__]
    required = set(schema.get("required", ()))
    return {
        "name": method.name,
        "summary": cleandoc(method.params.__doc__ or "").split("\n", 1)[0],
        "paramStructure": "either",
        "params": [
            {"name": name, "required": name in required, "schema": each}
            for name, each in schema.get("properties", {}).items()
        ],
        "result": {"name": "result", "schema": answer},
        "errors": [{"code": int(code), "message": code.name.lower()} for code in RpcCode],
        "x-permission": method.permission.value,
    }
