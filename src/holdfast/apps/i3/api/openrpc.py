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
    table = list(METHODS.values())
    of = [each for method in table for each in (method.params, method.result)]
    shapes, schemas = msgspec.json.schema_components([*of, *EVENTS], ref_template=SCHEMAS)
    methods = [
        _method(method, schemas[_named(shapes[2 * at])], shapes[2 * at + 1])
        for at, method in enumerate(table)
    ]
    events = shapes[2 * len(table) :]
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
                "params": shape,
                "adds": {
                    "event_id": {"type": "integer", "description": "Grows; give it as after."},
                    "timestamp": {"type": "string", "format": "date-time"},
                },
            }
            for event, shape in zip(EVENTS, events, strict=True)
        ],
    }


def _named(shape: dict[str, Any]) -> str:
    return str(shape["$ref"]).rsplit("/", 1)[1]


def _method(method: Method, schema: dict[str, Any], answer: dict[str, Any]) -> dict[str, object]:
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
