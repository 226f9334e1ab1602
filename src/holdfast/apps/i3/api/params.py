"""What the methods of the client API take. Names of fields are those that clients in the field use."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the codec reads annotations at run time
from typing import Annotated, Literal

import msgspec

from holdfast.apps.i3 import limits

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.NAME_LENGTH_MAX)]
Text = Annotated[str, msgspec.Meta(max_length=limits.TEXT_BYTES_MAX)]
Shown = Annotated[str, msgspec.Meta(max_length=limits.NAME_LENGTH_MAX)]
Resend = Annotated[
    str,
    msgspec.Meta(
        max_length=64,
        description="Chosen by the client and the same when the call is repeated: it is sent once.",
    ),
]
Described = Annotated[str, msgspec.Meta(max_length=limits.DESCRIPTION_LENGTH_MAX)]
Path = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.DESCRIPTION_LENGTH_MAX)]
Subject = Annotated[str, msgspec.Meta(max_length=limits.MAIL_SUBJECT_LENGTH_MAX)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Anything = Annotated[object, msgspec.Meta(extra_json_schema={"description": "Anything."})]
Muds = Annotated[tuple[Name, ...], msgspec.Meta(max_length=limits.ROUTER_LISTED_MAX)]


class Nothing(msgspec.Struct):
    """No params."""


class Authenticate(msgspec.Struct):
    """Say who you are.

    Attributes:
        api_key: the key.
        after: the ``event_id`` of the last event that was handled: all later ones follow. Left out: those that the
            key was not sent yet.
    """

    api_key: Annotated[str, msgspec.Meta(max_length=limits.API_KEY_LENGTH_MAX)]
    after: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Tell(msgspec.Struct):
    """Tell a player on another mud something."""

    target_mud: Name
    target_user: Name
    message: Text
    from_user: Shown = ""
    visname: Shown = ""
    resend: Resend = ""


class Emoteto(msgspec.Struct):
    """Do something towards a player on another mud; ``emote`` may be called ``message``."""

    target_mud: Name
    target_user: Name
    emote: Text = ""
    message: Text = ""
    from_user: Shown = ""
    visname: Shown = ""
    resend: Resend = ""


class Beep(msgspec.Struct):
    """Ask for the attention of a player on another mud."""

    target_mud: Name
    target_user: Name
    from_user: Shown = ""
    visname: Shown = ""
    resend: Resend = ""


class ChannelSend(msgspec.Struct):
    """Say something on a channel."""

    channel: Name
    message: Text
    from_user: Shown = ""
    visname: Shown = ""
    resend: Resend = ""


class ChannelEmote(msgspec.Struct):
    """Do something on a channel, perhaps towards somebody; ``emote`` may be called ``message``."""

    channel: Name
    emote: Text = ""
    message: Text = ""
    from_user: Shown = ""
    visname: Shown = ""
    target_mud: Shown = ""
    target_user: Shown = ""
    target_emote: Text = ""
    resend: Resend = ""


class ChannelJoin(msgspec.Struct):
    """Listen to a channel; ``user_name`` is taken and not used."""

    channel: Name
    listen_only: bool = False
    user_name: Shown = ""


class ChannelOnly(msgspec.Struct):
    """A channel."""

    channel: Name


class ChannelWho(msgspec.Struct):
    """Who is on a channel: as was heard here, or as a mud answers."""

    channel: Name
    mud: Shown = ""


class ChannelFilter(msgspec.Struct):
    """Which channels."""

    type: int | None = None
    owner: str | None = None
    min_members: int | None = None


class ChannelList(msgspec.Struct):
    """List channels; ``refresh`` is taken: the list is always the router's last."""

    filter: ChannelFilter | None = None
    refresh: bool = False


class ChannelHistory(msgspec.Struct):
    """Lines of a channel.

    Attributes:
        before: the ``line_id`` that all of them are older than.
        after: the ``line_id`` that all of them are newer than.
    """

    channel: Name
    limit: Annotated[int, msgspec.Meta(ge=1, le=limits.HISTORY_PAGE_MAX)] = 50
    before: int | None = None
    after: int | None = None


class ChannelAdd(msgspec.Struct):
    """Make a channel and host it."""

    channel: Name
    type: Literal[0, 1, 2] = 0


class ChannelAdmin(msgspec.Struct):
    """Change who may listen to a channel that this mud hosts."""

    channel: Name
    add: Muds = ()
    remove: Muds = ()


class Who(msgspec.Struct):
    """Ask who is on another mud; ``filters`` are taken and not used: the network knows none."""

    target_mud: Name
    from_user: Shown = ""
    filters: Mapping[str, Anything] | None = None


class Finger(msgspec.Struct):
    """Ask a mud about a player."""

    target_mud: Name
    target_user: Name
    from_user: Shown = ""


class Locate(msgspec.Struct):
    """Ask all muds for a player."""

    target_user: Name
    from_user: Shown = ""


class MudFilter(msgspec.Struct):
    """Which muds; ``status`` is ``up`` or ``down`` (``online`` and ``offline`` mean the same)."""

    status: Literal["up", "down", "online", "offline"] | None = None
    driver: str | None = None
    has_service: str | None = None


class MudList(msgspec.Struct):
    """List muds; ``refresh`` is taken: the list is always the router's last."""

    filter: MudFilter | None = None
    refresh: bool = False


class User(msgspec.Struct):
    """A player who is here; ``idle`` in seconds."""

    name: Name
    title: Described = ""
    race: Described = ""
    guild: Described = ""
    location: Described = ""
    status: Described = ""
    level: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    idle: Annotated[int, msgspec.Meta(ge=0)] = 0
    login_time: Annotated[str, msgspec.Meta(max_length=64)] | int | float = ""


class PresenceSync(msgspec.Struct):
    """Say who is here: all of them."""

    users: Annotated[tuple[User, ...], msgspec.Meta(max_length=limits.PLAYERS_MAX)]


class FileList(msgspec.Struct):
    """List a public folder of another mud; the top one when ``directory`` is empty."""

    target_mud: Name
    directory: Described = ""
    from_user: Shown = ""


class FileGet(msgspec.Struct):
    """Get a public file of another mud."""

    target_mud: Name
    name: Path
    from_user: Shown = ""


class FilePut(msgspec.Struct):
    """Put a file into the public folder of another mud, if that lets us."""

    target_mud: Name
    name: Path
    contents: Annotated[str, msgspec.Meta(max_length=limits.OOB_FILE_BYTES_MAX)]
    from_user: Shown = ""


class MailUser(msgspec.Struct):
    """Somebody to whom a letter goes; of the gateway's own mud where none is named."""

    user: Name
    mud: Shown = ""


MailUsers = Annotated[tuple[MailUser, ...], msgspec.Meta(max_length=limits.MAIL_RECIPIENTS_MAX)]


class MailSend(msgspec.Struct):
    """Send a letter to users of any muds; ``bcc`` are those whom the others do not see."""

    to: MailUsers
    subject: Subject
    body: Annotated[str, msgspec.Meta(max_length=limits.MAIL_BODY_BYTES_MAX)]
    from_user: Shown = ""
    cc: MailUsers = ()
    bcc: MailUsers = ()
    resend: Resend = ""


class MailList(msgspec.Struct):
    """List letters of a user here, oldest first; those with a higher ``mail_id`` than ``after``."""

    user: Name
    after: Number = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=limits.MAIL_PAGE_MAX)] = 50


class MailRead(msgspec.Struct):
    """Read a letter."""

    mail_id: Number


class MailDelete(msgspec.Struct):
    """Take a letter out of the box of a user, or of all for whom it is when none is named."""

    mail_id: Number
    user: Shown = ""


class NewsGroups(msgspec.Struct):
    """List the groups of news of a mud; of the gateway's own when none is named."""

    target_mud: Shown = ""


class NewsRead(msgspec.Struct):
    """Read a post."""

    group: Name
    post_id: Number
    target_mud: Shown = ""
    from_user: Shown = ""


class NewsPost(msgspec.Struct):
    """Post something; ``thread`` is the number of the post that it follows, 0 for none."""

    group: Name
    subject: Subject
    text: Annotated[str, msgspec.Meta(max_length=limits.NEWS_TEXT_BYTES_MAX)]
    from_user: Shown = ""
    thread: Number = 0
    target_mud: Shown = ""


class KeyAdd(msgspec.Struct):
    """Make a key.

    Attributes:
        name: of whom it is for.
        permissions: what it may do.
        api_key: one that was in use elsewhere; a new one is drawn when it is empty.
        rates: method → calls a second and at once; ``*`` for all that are not named.
    """

    name: Name
    permissions: tuple[str, ...] = ("tell", "channel", "info", "presence")
    api_key: Annotated[str, msgspec.Meta(max_length=limits.API_KEY_LENGTH_MAX)] = ""
    rates: Mapping[str, tuple[float, int]] = msgspec.field(default_factory=dict)


class KeyOnly(msgspec.Struct):
    """The name of a key."""

    name: Name
