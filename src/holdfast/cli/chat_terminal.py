"""``holdfast chat terminal``: prompt-toolkit reads keys and draws, so that what comes disturbs no typing."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.patch_stdout import patch_stdout

from holdfast.apps.chat.profile import OpenNode, Profile, open_node
from holdfast.apps.chat.terminal import TerminalChat
from holdfast.errors import ResilienceError
from holdfast.node import Message
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.node import Change

REDRAW: Final = 0.5
"""Seconds between two looks at the line below."""

WAITING_MAX: Final = 10_000
"""Things to be printed that wait; the oldest are not printed any more then (they are in the history)."""


def run(data: Path, profile: Profile, passphrase: str | None, name: str) -> None:
    """Chat until the end of input, ``/quit`` or Ctrl-C.

    Raises:
        ResilienceError: the folder or the keys cannot be used.
        ValueError: the profile does not make a node.
    """
    with suppress(KeyboardInterrupt):  # that is how one ends it
        asyncio.run(_run(data, profile, passphrase, name))


async def _run(data: Path, profile: Profile, passphrase: str | None, name: str) -> None:
    async with open_node(data, profile, passphrase, RealWorld()) as opened:
        with patch_stdout():
            prompt: PromptSession[str] = PromptSession()
            if not opened.node.identities:
                chosen = name.strip()
                while not chosen:
                    chosen = (await prompt.prompt_async("Your name, for your friends: ")).strip()
                await opened.node.create_identity(chosen)
            await _talk(opened, prompt)


async def _talk(opened: OpenNode, prompt: PromptSession[str]) -> None:
    chat = TerminalChat(opened.node, opened.errors, print)
    happened: deque[Message | Change] = deque(maxlen=WAITING_MAX)
    wake = asyncio.Event()

    def note(what: Message | Change) -> None:
        happened.append(what)
        wake.set()

    stops = [opened.node.on_message(note), opened.node.on_change(note)]
    telling = asyncio.create_task(_tell(chat, happened, wake), name="chat-terminal")
    try:
        await chat.do("/list")
        print("/help lists the commands.")
        completer = WordCompleter(chat.commands, sentence=True)
        while True:
            try:
                line = await prompt.prompt_async(
                    "> ",
                    bottom_toolbar=chat.status_line,
                    refresh_interval=REDRAW,
                    completer=completer,
                    complete_while_typing=False,
                )
            except EOFError:
                return
            if not await chat.do(line):
                return
    finally:
        for stop in stops:
            stop()
        telling.cancel()


async def _tell(chat: TerminalChat, happened: deque[Message | Change], wake: asyncio.Event) -> None:
    """Print what happens, in order."""
    while True:
        await wake.wait()
        wake.clear()
        while happened:
            what = happened.popleft()
            try:
                await (chat.came(what) if isinstance(what, Message) else chat.changed(what))
            except ResilienceError as error:
                print(f"! {error}")
