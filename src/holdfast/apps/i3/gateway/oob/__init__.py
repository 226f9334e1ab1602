"""Connections from mud to mud, past the router: files of a public folder, letters and posts, in both directions."""

from holdfast.apps.i3.gateway.oob.client import OobClient
from holdfast.apps.i3.gateway.oob.files import FileDesk
from holdfast.apps.i3.gateway.oob.sandbox import Sandbox
from holdfast.apps.i3.gateway.oob.server import OobServer

__all__ = ["FileDesk", "OobClient", "OobServer", "Sandbox"]
