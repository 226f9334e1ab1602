"""Our mailboxes at gateways: made for each contact, read while the node lives, deleted with the contact."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from holdfast.errors import NetworkError, ResilienceError
from holdfast.mailbox import GatewayAddress, MailboxKey

if TYPE_CHECKING:
    from holdfast.node._desk import Desk
    from holdfast.node._gates import Gate, Gates
    from holdfast.node._intake import Intake
    from holdfast.node._work import Outcome, View
    from holdfast.node.model import ContactId
    from holdfast.node.store import OwnPlace


MOMENT: Final = 1.0
"""Seconds that the other gateways have to make their mailboxes when the first one has."""


class Mailboxes:
    """Of all contacts.

    Args:
        desk: what all share.
        gates: the gateways.
        intake: is told whose mailbox is whose.
    """

    def __init__(self, desk: Desk, gates: Gates, intake: Intake) -> None:
        self._desk = desk
        self._gates = gates
        self._intake = intake
        desk.on_outcome.append(self._settled)

    def read_all(self) -> None:
        """Read those of an earlier life."""
        for contact, view in self._desk.views.items():
            self._intake.watch(contact, view)
            for own in view.inbox.places:
                self._gate(view, own).read(MailboxKey(own.seed), own.token)

    async def open(self, contact: ContactId) -> None:
        """Make the mailboxes of a contact that is new; returns when there is one and the others had a moment.

        Raises:
            NetworkError: no gateway made one now; they are made later by themselves.
        """
        view = self._desk.views[contact]
        loop = asyncio.get_running_loop()
        making = {
            loop.create_task(self._made(view, own), name="holdfast-node-mailbox")
            for own in view.inbox.places
        }
        try:
            problems: list[ResilienceError] = []
            while making:
                # A gateway that is away is not waited for: its mailbox is made when it is there.
                timeout = MOMENT if len(problems) + len(making) < len(view.inbox.places) else None
                done, making = await asyncio.wait(
                    making, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    return
                problems += [problem for task in done if (problem := task.result()) is not None]
        finally:
            for task in making:
                self._gates.keep(task)
        if len(problems) == len(view.inbox.places):
            raise NetworkError(f"No gateway could make a mailbox: {problems[0]}")

    async def _made(self, view: View, own: OwnPlace) -> ResilienceError | None:
        """Make one mailbox; returns why it could not be."""
        try:
            await self._gate(view, own).make(MailboxKey(own.seed), own.token)
        except ResilienceError as error:
            return error
        return None

    def drop(self, contact: ContactId, view: View) -> None:
        """Delete those of a contact that was removed."""
        self._intake.forget(contact, view)
        for own in view.inbox.places:
            self._gates.spawn(self._gate(view, own).drop(MailboxKey(own.seed)))

    def _gate(self, view: View, own: OwnPlace) -> Gate:
        return self._gates.get(view.identity, GatewayAddress.parse(own.gateway))

    def _settled(self, outcome: Outcome) -> None:
        """Know the mailboxes of contacts that are new; those from rooms are opened by nobody else."""
        for contact, view in outcome.views.items():
            if self._intake.knows(contact):
                continue
            self._intake.watch(contact, view)
            if view.is_hidden:
                self._gates.spawn(self._open_later(contact))

    async def _open_later(self, contact: ContactId) -> None:
        with suppress(NetworkError):  # the gates go on by themselves
            await self.open(contact)
