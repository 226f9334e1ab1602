"""The chat: a program that shows a node to its owner, in a page, in a terminal, and as a demonstration."""

from holdfast.apps.chat.access import PageAccess
from holdfast.apps.chat.api import chat_routes
from holdfast.apps.chat.service import ChatApp

__all__ = ["ChatApp", "PageAccess", "chat_routes"]
