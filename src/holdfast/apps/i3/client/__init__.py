"""Clients of a gateway's API, for programs with asyncio and without."""

from holdfast.apps.i3.client.blocking import BlockingI3Client
from holdfast.apps.i3.client.client import I3Client
from holdfast.apps.i3.client.errors import ApiError
from holdfast.apps.i3.client.event import ReceivedEvent
from holdfast.apps.i3.client.methods import Methods

__all__ = ["ApiError", "BlockingI3Client", "I3Client", "Methods", "ReceivedEvent"]
