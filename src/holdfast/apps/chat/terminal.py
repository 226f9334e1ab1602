"""The chat for a terminal: what lines mean, and what is printed. Reading keys and drawing is the shell's.

Whatever comes from a contact passes through ``read_text``, which leaves nothing in it that a terminal would obey.
"""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from holdfast.apps.chat import limits
from holdfast.apps.chat.errors import ChatError
from holdfast.apps.chat.wire import SHOWN, Kind, read_note, read_text
from holdfast.errors import ResilienceError
from holdfast.node import ContactState, Message, MessageChanged, MessageState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.node import Change, Node
    from holdfast.ops import ErrorHandler

LINES_SHOWN: Final = 15
"""Lines of a conversation that are printed when it is opened."""

MARKS: Final = {
    MessageState.QUEUED: "…",
    MessageState.AT_GATEWAY: "✓",
    MessageState.DELIVERED: "✓✓",
    MessageState.READ: "✓✓ read",
    MessageState.EXPIRED: "! expired",
    MessageState.FAILED: "! not sent",
    MessageState.RECEIVED: "",
}
TOLD: Final = frozenset(
    {MessageState.DELIVERED, MessageState.READ, MessageState.EXPIRED, MessageState.FAILED}
)
"""States that are told when a message of ours comes into them."""

HELP: Final = """\
  /list                    conversations        /open NAME       talk with somebody
  /invite NAME             a link for a friend  /accept LINK NAME  use a friend's link
  /room NAME MEMBER…       open a room          /leave           leave this room
  /words                   safety words         /verified        we have compared them
  /reads on|off            tell when I have read
  /search WORDS            find what was said   /more            older lines
  /status                  gateways, what waits /errors          what went wrong
  /retry                   try now              /quit            end
Everything else is said to whom you talk with; //x says /x."""


class TerminalChat:
    """One person's chat in a terminal.

    Args:
        node: running.
        errors: the handler that the node reports to.
        say: prints one or more lines.
    """

    def __init__(self, node: Node, errors: ErrorHandler, say: Callable[[str], object]) -> None:
        self._node = node
        self._errors = errors
        self._say = say
        self._first = 0
        self.current = ""
        self._commands: dict[str, Callable[[list[str]], Awaitable[None]]] = {
            "help": self._help,
            "list": self._list,
            "open": self._open,
            "invite": self._invite,
            "accept": self._accept,
            "room": self._room,
            "leave": self._leave,
            "words": self._words,
            "verified": self._verified,
            "reads": self._reads,
            "search": self._search,
            "more": self._more,
            "status": self._status,
            "errors": self._show_errors,
            "retry": self._retry,
        }

    @property
    def commands(self) -> list[str]:
        """All commands, with their slash."""
        return [f"/{name}" for name in (*self._commands, "quit")]

    # --- what is typed ----------------------------------------------------------------------

    async def do(self, line: str) -> bool:
        """Do what a line says; return False when it says that this is the end."""
        text = line.strip()
        if not text:
            return True
        if text in {"/quit", "/exit"}:
            return False
        try:
            if text.startswith("/") and not text.startswith("//"):
                await self._command(text[1:])
            else:
                await self._talk(text.removeprefix("/") if text.startswith("//") else text)
        except (ResilienceError, ValueError) as error:
            self._say(f"! {error}")
        return True

    async def _command(self, text: str) -> None:
        try:
            name, *words = shlex.split(text)
        except ValueError:
            name, *words = text.split()  # a quote that is not closed is a letter
        found = self._commands.get(name)
        if found is None:
            raise ValueError(f"There is no command /{name}; /help lists them.")
        await found(words)

    async def _talk(self, text: str) -> None:
        self._require_current()
        if len(text) > limits.TEXT_MAX:
            raise ValueError(f"A message has {limits.TEXT_MAX} characters at most.")
        await self._node.send(self.current, text)

    # --- what happens -----------------------------------------------------------------------

    async def came(self, message: Message) -> None:
        """Print a message that came; one of the conversation that is open counts as read."""
        if message.kind not in SHOWN:
            return
        if message.conversation == self.current:
            self._say(self._line(message))
            await self._node.mark_read(self.current, message.number)
        else:
            self._say(f"* {self.name_of(message.conversation)}: {_text(message)}  (/open)")

    async def changed(self, change: Change) -> None:
        """Tell what became of a message of ours."""
        if not isinstance(change, MessageChanged) or change.state not in TOLD:
            return
        message = await self._node.message(change.conversation, change.id)
        if message is None or not message.is_mine or message.kind not in SHOWN:
            return
        bad = {MessageState.FAILED, MessageState.EXPIRED}
        if change.conversation == self.current or change.state in bad:
            why = f": {message.error}" if message.error else ""
            self._say(f"      {MARKS[change.state]}  {_brief(_text(message))}{why}")

    def status_line(self) -> str:
        """How it does, in one line that is always there."""
        ours = [gateway for gateway in self._node.gateways() if gateway.is_ours]
        up = sum(gateway.state == "connected" for gateway in ours)
        queue = self._node.queue()
        parts = [self.name_of(self.current) if self.current else "nobody (/list, /open NAME)"]
        parts.append(f"{up} of {len(ours)} gateways")
        if queue.waiting:
            following = queue.next_attempt_in
            when = "" if following is None else f", next try in {following:.0f} s"
            parts.append(f"{queue.waiting} waiting{when}")
        if queue.failing:
            parts.append("not taken by any gateway yet (/errors)")
        total = self._errors.statistics()["total"]
        if total:
            parts.append(f"{total} errors")
        return " · ".join(parts)

    def name_of(self, conversation: str) -> str:
        """Return how somebody, or a room, is called."""
        contact = self._node.contact(conversation)
        if contact is not None:
            return read_text((contact.name or contact.told_name or "somebody").encode())
        for room in self._node.rooms:
            if room.id == conversation:
                return read_text(room.name.encode())
        return "somebody"

    # --- commands ---------------------------------------------------------------------------

    async def _help(self, _: list[str]) -> None:
        self._say(HELP)

    async def _list(self, _: list[str]) -> None:
        known = self._known()
        if not known:
            self._say("Nobody yet. /invite NAME makes a link for a friend; /accept uses one.")
        for conversation, unread, note in known:
            count = f"  {unread} unread" if unread else ""
            self._say(f"  {self.name_of(conversation)}{count}{note}")

    def _known(self) -> list[tuple[str, int, str]]:
        notes = {ContactState.INVITED: "  (has not used your invitation)",
                 ContactState.JOINING: "  (has not answered yet)", ContactState.READY: ""}  # fmt: skip
        people = [(c.id, c.unread, notes[c.state]) for c in self._node.contacts if not c.is_hidden]
        rooms = [(r.id, r.unread, f"  room of {len(r.members) + 1}") for r in self._node.rooms]
        return people + rooms

    def _find(self, name: str) -> str:
        """Return the one conversation whose name begins so."""
        names = {conversation: self.name_of(conversation) for conversation, _, _ in self._known()}
        wanted = name.casefold()
        exact = [each for each, called in names.items() if called.casefold() == wanted]
        close = [each for each, called in names.items() if called.casefold().startswith(wanted)]
        found = exact or close
        if len(found) != 1:
            raise ValueError(
                f"{len(found)} are called {name!r}: write more of the name."
                if found
                else f"Nobody is called {name!r}; /list shows all."
            )
        return found[0]

    async def _open(self, words: list[str]) -> None:
        self.current = self._find(_joined(words, "/open NAME"))
        await self._show(None)

    async def _more(self, _: list[str]) -> None:
        self._require_current()
        await self._show(self._first)

    async def _show(self, before: int | None) -> None:
        found = await self._node.history(
            self.current, before=before, limit=LINES_SHOWN, kinds=SHOWN
        )
        self._say(f"--- {self.name_of(self.current)}" + ("" if found else ": nothing (more)"))
        for message in found:
            self._say(self._line(message))
        if found:
            self._first = found[0].number
            if before is None:
                await self._node.mark_read(self.current, found[-1].number)

    async def _invite(self, words: list[str]) -> None:
        name = " ".join(words)
        made = await self._node.invite(self._me(), name=name)
        self._say(f"Give this to {name or 'one person'}, and to nobody else; it is good once:")
        self._say(made.link)

    async def _accept(self, words: list[str]) -> None:
        if not words:
            raise ValueError("Write /accept LINK NAME.")
        contact = await self._node.accept(self._me(), words[0], " ".join(words[1:]))
        self.current = contact.id
        self._say(f"--- {self.name_of(contact.id)}: you can write at once.")

    async def _room(self, words: list[str]) -> None:
        if len(words) < 2:  # noqa: PLR2004 - a name, and at least one member
            raise ValueError(
                'Write /room "NAME" MEMBER…, with quotes around names of several words.'
            )
        members = [self._find(name) for name in words[1:]]
        room = await self._node.create_room(self._me(), words[0], members)
        self.current = room.id
        self._say(f"--- {self.name_of(room.id)}: a room of {len(members) + 1}.")

    async def _leave(self, _: list[str]) -> None:
        self._require_current()
        if all(room.id != self.current for room in self._node.rooms):
            raise ValueError("This is a conversation of two; /leave is for rooms.")
        await self._node.leave_room(self.current)
        self._say("You have left it; what was said stays here.")

    async def _words(self, _: list[str]) -> None:
        self._require_current()
        words = self._node.safety_words(self.current)
        if not words:
            raise ValueError("There are none before both have heard of each other.")
        self._say("  " + " ".join(words))
        self._say("Ask for them by voice. The same on both sides: nobody stands between you.")

    async def _verified(self, _: list[str]) -> None:
        self._require_current()
        await self._node.verify(self.current)
        self._say("Noted.")

    async def _reads(self, words: list[str]) -> None:
        self._require_current()
        if words not in (["on"], ["off"]):
            raise ValueError("Write /reads on, or /reads off.")
        await self._node.allow_read(self.current, allowed=words == ["on"])
        self._say(f"{self.name_of(self.current)} is told what you have read: {words[0]}.")

    async def _search(self, words: list[str]) -> None:
        found = await self._node.search(_joined(words, "/search WORDS"), limit=limits.FOUND_MAX)
        if not found:
            self._say("Nothing found.")
        for message in reversed(found):
            self._say(f"  {self.name_of(message.conversation)}: {self._line(message)}")

    async def _status(self, _: list[str]) -> None:
        for gateway in self._node.gateways():
            usual = "" if gateway.usual is None else f", {1000 * gateway.usual:.0f} ms"
            broken = ", left alone for a while" if gateway.breaker == "open" else ""
            self._say(
                f"  {gateway.name}  {gateway.state}{broken}  {gateway.grade}{usual}  "
                f"{gateway.deposits} taken, {gateway.failures} failed"
            )
            if gateway.trouble:
                self._say(f"    {gateway.trouble}")
        queue = self._node.queue()
        by = ", ".join(f"{count} of priority {each}" for each, count in queue.by_priority.items())
        self._say(f"  waiting: {queue.waiting}" + (f" ({by})" if by else ""))
        self._say(f"  of them sealed at a gateway: {queue.at_gateway}")

    async def _show_errors(self, _: list[str]) -> None:
        found = self._errors.recent(LINES_SHOWN)
        if not found:
            self._say("Nothing went wrong since the start.")
        for error in reversed(found):
            done = "  (put right by itself)" if error.is_recovered else ""
            self._say(
                f"  {_time(1000 * error.at)} {error.category} {error.code}: {error.message}{done}"
            )

    async def _retry(self, _: list[str]) -> None:
        self._node.retry_now()
        self._say("Trying everything now.")

    # --- the rest ---------------------------------------------------------------------------

    def _me(self) -> str:
        return self._node.identities[0].id

    def _require_current(self) -> None:
        if not self.current:
            raise ValueError("With whom? /list shows everybody, /open NAME chooses.")

    def _line(self, message: Message) -> str:
        who = "You" if message.is_mine else self.name_of(message.sender)
        mark = MARKS[message.state] if message.is_mine else ""
        return f"{_time(message.received_ms)} {who}: {_text(message)}  {mark}".rstrip()


def _joined(words: list[str], usage: str) -> str:
    if not words:
        raise ValueError(f"Write {usage}.")
    return " ".join(words)


def _text(message: Message) -> str:
    if message.kind != Kind.FILE:
        return read_text(message.body)
    try:
        note = read_note(message.body)
    except ChatError:
        return "[an attachment that can not be read]"
    return f"[attachment {read_text(note.name.encode())}, {note.size} bytes; the page can save it]"


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limits.BRIEF_MAX else f"{line[: limits.BRIEF_MAX]}…"


def _time(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%H:%M")
