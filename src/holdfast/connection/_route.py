"""Which address of a peer is tried next: its endpoints, resolved anew each time, in the order that promises most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.connection.dial import resolve
from holdfast.connection.endpoint import Choice, Endpoint
from holdfast.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.connection.endpoint import Candidate


class Route:
    """The ways to one peer.

    Args:
        endpoints: as URLs or ``Endpoint``; the first is preferred.

    Raises:
        ValueError: there is none, or one of the URLs is none.
    """

    def __init__(self, endpoints: Iterable[Endpoint | str]) -> None:
        self._endpoints = [Endpoint(each) if isinstance(each, str) else each for each in endpoints]
        if not self._endpoints:
            raise ValueError("A connection needs an endpoint.")
        self._choice = Choice()
        self._known: list[Candidate] = []

    @property
    def preferred(self) -> Endpoint:
        """The first."""
        return self._endpoints[0]

    async def next(self, timeout: float) -> Candidate:  # noqa: ASYNC109 - told as our own error
        """Resolve all endpoints and return the candidate to try.

        Raises:
            OSError: none of the names is known.
            NetworkTimeoutError: 1001; the resolver does not answer.
        """
        found: list[Candidate] = []
        problem: Exception | None = None
        for endpoint in self._endpoints:
            try:
                found += await resolve(endpoint, timeout)
            except (OSError, NetworkError) as error:
                problem = error  # another endpoint may have a name that is known
        if not found:
            assert problem is not None, "an endpoint has an address or an error"
            raise problem
        self._known = found
        return self._choice.next(found)

    def failed(self, candidate: Candidate) -> bool:
        """Note a failure; return whether another candidate has not been tried in this round."""
        return self._choice.failed(candidate, self._known)

    def worked(self, candidate: Candidate) -> None:
        """Note a success."""
        self._choice.worked(candidate)

    def measured(self, candidate: Candidate, rtt: float) -> None:
        """Note a round trip, in seconds."""
        self._choice.measured(candidate, rtt)
