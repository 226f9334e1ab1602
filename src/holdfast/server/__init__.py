"""One ASGI server on one port: HTTP, WebSocket, pages."""

from holdfast.server.app import build_app
from holdfast.server.asgi import HubASGI
from holdfast.server.serving import inherited, listen, loop_factory, serve
from holdfast.server.settings import ServerSettings, SettingsError, read_settings
from holdfast.server.subject import Program, Subject
from holdfast.server.websocket import TurnFlusher, WebSocketProtocol
from holdfast.server.ws import HubProtocol, for_uvicorn, uvicorn_protocol

__all__ = [
    "HubASGI",
    "HubProtocol",
    "Program",
    "ServerSettings",
    "SettingsError",
    "Subject",
    "TurnFlusher",
    "WebSocketProtocol",
    "build_app",
    "for_uvicorn",
    "inherited",
    "listen",
    "loop_factory",
    "read_settings",
    "serve",
    "uvicorn_protocol",
]
