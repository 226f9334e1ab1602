"""Other muds that come past the router: where they are listened for, and what they find here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.i3.gateway.oob import FileDesk, OobServer, Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._mail import Letters
    from holdfast.apps.i3.gateway._news import News
    from holdfast.apps.i3.gateway.oob.conversation import Request
    from holdfast.apps.i3.gateway.oob.server import Answer


class Visitors:
    """Lets them in.

    Args:
        desk: what all share.
        letters: takes theirs.
        news: shows ours.

    Attributes:
        services: what is there for them, to be told to the router.

    Raises:
        I3Error: 11040; the public folder is not there.
    """

    def __init__(self, desk: Desk, letters: Letters, news: News) -> None:
        self._desk = desk
        settings = desk.settings
        self._files: FileDesk | None = None
        if settings.files is not None:
            sandbox = Sandbox(settings.files, is_writable=settings.files_writable)
            self._files = FileDesk(sandbox, desk.world)
        of_files = {} if self._files is None else self._files.answers
        tables = {"file": of_files, "mail": letters.answers, "news": news.answers}
        self.services: Mapping[str, int] = {name: 1 for name, table in tables.items() if table}
        answers: dict[type[Request], Answer] = {}
        for table in tables.values():
            answers.update(table)
        self._server = OobServer(settings.mud_name, self._redeem, answers) if answers else None

    async def start(self) -> int:
        """Listen; return the port, 0 where there is nothing for them.

        Raises:
            NetworkError: 1002; the address is taken.
        """
        settings = self._desk.settings
        if self._server is None:
            return 0
        return await self._server.start(settings.oob_host, settings.oob_port)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            await self._server.stop()
        if self._files is not None:
            self._files.close()

    def _redeem(self, mud: str, token: int | None) -> bool:
        return self._desk.machine.tokens.redeem(mud, token, self._desk.now())
