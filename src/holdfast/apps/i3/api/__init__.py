"""The client API of a gateway: JSON-RPC 2.0 over WebSocket and TCP, with keys and events that can be resumed."""

from holdfast.apps.i3.api.api import Api
from holdfast.apps.i3.api.keys import Account, ApiKeys
from holdfast.apps.i3.api.methods import METHODS, Method, Permission
from holdfast.apps.i3.api.openrpc import described
from holdfast.apps.i3.api.rpc import RpcCode, RpcError
from holdfast.apps.i3.api.shells import ApiLine, ApiWebSocket, line_listener
from holdfast.apps.i3.api.store import MIGRATIONS

__all__ = [
    "METHODS",
    "MIGRATIONS",
    "Account",
    "Api",
    "ApiKeys",
    "ApiLine",
    "ApiWebSocket",
    "Method",
    "Permission",
    "RpcCode",
    "RpcError",
    "described",
    "line_listener",
]
