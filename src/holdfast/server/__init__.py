"""One ASGI server on one port: HTTP, WebSocket, pages."""

from holdfast.server.app import build_app
from holdfast.server.asgi import HubASGI
from holdfast.server.serving import inherited, listen, serve
from holdfast.server.settings import ServerSettings, SettingsError, read_settings
from holdfast.server.ws import HubProtocol, TurnFlusher, uvicorn_protocol

__all__ = [
    "HubASGI",
    "HubProtocol",
    "ServerSettings",
    "SettingsError",
    "TurnFlusher",
    "build_app",
    "inherited",
    "listen",
    "read_settings",
    "serve",
    "uvicorn_protocol",
]
