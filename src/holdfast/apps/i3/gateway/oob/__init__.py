"""Connections from mud to mud, past the router: files of a public folder, in both directions."""

from holdfast.apps.i3.gateway.oob.client import OobClient
from holdfast.apps.i3.gateway.oob.sandbox import Sandbox
from holdfast.apps.i3.gateway.oob.server import OobServer

__all__ = ["OobClient", "OobServer", "Sandbox"]
