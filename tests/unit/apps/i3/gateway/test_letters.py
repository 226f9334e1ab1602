"""What each mud is sent of a letter and what it makes of it, the conversation that brings it, and where it is kept."""

from __future__ import annotations

import sqlite3
import tomllib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import Fault, I3Code, I3Error, PacketError
from holdfast.apps.i3.gateway import (
    MIGRATIONS,
    GatewaySettings,
    Post,
    Recipient,
    RouterAddress,
    mail_store,
    news_store,
    store,
)
from holdfast.apps.i3.gateway.letter import Draft, addressed, arrived
from holdfast.apps.i3.gateway.oob.conversation import Admit, Conversation, Do, HangUp, Say
from holdfast.apps.i3.mudmode import packet
from holdfast.apps.i3.mudmode import packets as packets_of
from holdfast.cli.i3 import _settings
from holdfast.storage import Database, Durability
from tests.unit.apps.i3.test_lpc import VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWN = "Harbour"
MUDS = st.sampled_from(["Harbour", "Old Keep", "Third"])
USERS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20).map(
    str.lower
)
MANY = st.lists(st.builds(Recipient, USERS, MUDS), max_size=8, unique=True).map(tuple)
TEXTS = st.text(
    st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="%"), max_size=60
)
DRAFTS = st.builds(
    Draft, USERS, MANY, MANY, MANY, TEXTS.map(lambda text: " ".join(text.split())), TEXTS, st.integers(0, 2**40)
)  # fmt: skip


# --- letters --------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(DRAFTS)
def test_each_mud_gets_for_its_users_what_was_written_and_no_blind_copy_of_others(
    draft: Draft,
) -> None:
    everybody = {*draft.to, *draft.cc, *draft.bcc}
    assert set(draft.muds) == {each.mud for each in everybody}
    for mud in draft.muds:
        sent = packet(packets.write(draft.packet(mud, 7)))
        (value,) = packets_of(sent).values
        read = packets.read_oob(value)
        assert isinstance(read, packets.Mail)

        got = arrived(read, "Elsewhere", mud)

        mine = {each.user for each in everybody if each.mud == mud}
        assert set(got.users) == mine
        assert len(got.users) == len(mine), "each is named once"
        assert got.refused == ()
        assert (got.number, got.from_user, got.time) == ("7", draft.from_user, draft.time)
        assert (got.subject, got.body) == (draft.subject, draft.body)
        assert (set(got.to), set(got.cc)) == (set(draft.to), set(draft.cc))
        assert set(read.bcc) == {each.user for each in draft.bcc if each.mud == mud}


def test_a_recipient_is_written_in_any_case_checked_and_taken_once() -> None:
    def mud_of(name: str) -> str:
        return name or OWN

    assert addressed([("", "Bo"), ("Harbour", "bo"), ("Old Keep", "BO")], mud_of) == (
        Recipient("bo", OWN),
        Recipient("bo", "Old Keep"),
    )
    for user in ("", "a\nb", "x" * (limits.NAME_LENGTH_MAX + 1)):
        with pytest.raises(I3Error) as refused:
            addressed([("", user)], mud_of)
        assert refused.value.code == I3Code.NAME_INVALID


def mail(**more: Any) -> packets.Mail:
    given: dict[str, Any] = {
        "id": 7, "from_user": "bo", "to": {OWN: ("ann",)}, "cc": {}, "bcc": (), "time": 5, "subject": "s", "body": "b",
    }  # fmt: skip
    return packets.Mail(**{**given, **more})


def test_what_comes_is_clean_and_names_that_cannot_be_are_refused_one_by_one() -> None:
    got = arrived(
        mail(
            to={"harbour": ("Ann", "a\nb"), "Third": ("x",)},
            cc={OWN: ("ann", "")},
            subject="\x1b[31mre\nd\x07",
            body="one\x00\n\ttwo%^RED%^",
            from_user="\x1bbo",
        ),
        "Old Keep",
        OWN,
    )
    assert (got.users, got.refused) == (("ann",), ("a\nb", ""))
    assert (got.subject, got.body, got.from_user) == ("re d", "one\n\ttwo", "bo")
    assert got.mud == "Old Keep"


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"to": {"Third": ("ann",)}}, Fault.UNKNOWN_USER),
        ({"to": {}, "bcc": ("a",) * (limits.MAIL_RECIPIENTS_MAX + 1)}, Fault.BAD_PACKET),
        ({"to": {"Third": ("a",) * limits.MAIL_RECIPIENTS_MAX, OWN: ("a",)}}, Fault.BAD_PACKET),
        ({"cc": {"x" * (limits.NAME_LENGTH_MAX + 1): ("a",)}}, Fault.BAD_PACKET),
        ({"body": "\u00e9" * (limits.MAIL_BODY_BYTES_MAX // 2 + 1)}, Fault.BAD_PACKET),
    ],
)
def test_a_letter_past_the_bounds_is_refused_with_its_word(
    more: dict[str, Any], fault: Fault
) -> None:
    with pytest.raises(PacketError) as refused:
        arrived(mail(**more), "Old Keep", OWN)
    assert refused.value.fault is fault


def test_the_largest_body_fits_into_a_packet_whatever_is_in_it() -> None:
    draft = Draft(
        "ann", tuple(Recipient(f"{n:03}" + "x" * 77, "Old Keep") for n in range(limits.MAIL_RECIPIENTS_MAX)), (), (),
        "s" * limits.MAIL_SUBJECT_LENGTH_MAX, '"' * limits.MAIL_BODY_BYTES_MAX, 5,
    )  # fmt: skip
    assert (
        len(packet(packets.write(draft.packet("Old Keep", 2**40)))) < limits.OOB_MESSAGE_BYTES_MAX
    )


# --- the conversation -----------------------------------------------------------------------------

ALL = (packets.Mail, packets.NewsReadReq, packets.NewsPostReq, packets.NewsGrplistReq)
BEGIN = ["oob-begin", "Old Keep", 1, 5]
ASKED: dict[str, list[object]] = {
    "mail": packets.write(mail()),
    "read": ["news-read-req", 5, "Old Keep", 0, OWN, 0, "lpc", 1],
    "post": ["news-post-req", "Old Keep", 4000, "lpc", 0, 0, "bo", "t"],
    "list": ["news-grplist-req"],
}


def begun(*offered: Any) -> Conversation:
    made = Conversation(OWN, lambda mud, token: (mud, token) == ("Old Keep", 5), offered)
    assert made.received(BEGIN)[0] == Admit()
    return made


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_what_is_offered_is_done_and_what_is_not_ends_the_conversation(asked: list[object]) -> None:
    (effect,) = begun(*ALL).received(asked)
    assert isinstance(effect, Do)
    assert packets.write(effect.request) == asked
    said, end = begun().received(asked)
    assert isinstance(said, Say)
    assert isinstance(said.packet, packets.OobError)
    assert (said.packet.code, end) == (Fault.NOT_IMPLEMENTED, HangUp())


@pytest.mark.parametrize("name", ["read", "post"])
def test_nobody_asks_in_the_name_of_another_mud(name: str) -> None:
    asked = ["Other" if each == "Old Keep" else each for each in ASKED[name]]
    said, end = begun(*ALL).received(asked)
    assert isinstance(said, Say)
    assert isinstance(said.packet, packets.OobError)
    assert (said.packet.code, end) == (Fault.NOT_ALLOWED, HangUp())


def near(value: Any) -> st.SearchStrategy[Any]:
    return st.one_of(st.just(value), st.just(value), VALUES)


LIKE_A_LETTER = st.builds(
    lambda *fields: ["mail", *fields],
    near(7), near("ann"), st.one_of(near({OWN: ["bo"]}), st.dictionaries(st.just(OWN), VALUES)), near({}), near([]),
    near(5), near("s"), near("b"),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(LIKE_A_LETTER)
def test_whatever_comes_as_a_letter_is_kept_or_refused_and_never_a_crash(value: Any) -> None:
    (sent,) = packets_of(packet(value)).values
    effects = begun(*ALL).received(sent)
    if not isinstance(effects[0], Do):
        assert effects[-1] == HangUp()
        return
    assert isinstance(effects[0].request, packets.Mail)
    with closing(sqlite3.connect(":memory:")) as tables:
        tables.executescript(store.SCHEMA[1])
        try:
            letter = arrived(effects[0].request, "Old Keep", OWN)
        except PacketError:
            return
        stored = mail_store.add(tables, letter, known=frozenset(), at_ms=0)
        assert set(stored.users) == set(letter.users)
        packet(packets.write(packets.MailAck(failed={effects[0].request.id: stored.failed})))


# --- where it is kept -----------------------------------------------------------------------------


@pytest.fixture
def tables() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for step in store.SCHEMA:
            connection.executescript(step)
        yield connection


def put(tables: sqlite3.Connection, *users: str, number: int = 1, **more: Any) -> mail_store.Stored:
    letter = arrived(mail(id=number, to={OWN: users}, **more), "Old Keep", OWN)
    return mail_store.add(tables, letter, known=frozenset(), at_ms=1500)


def test_a_letter_is_kept_once_for_all_who_have_it(tables: sqlite3.Connection) -> None:
    stored = put(tables, "ann", "bo")
    assert stored == (1, ("ann", "bo"), ())
    assert mail_store.box(tables, "ann", 0, 9) == mail_store.box(tables, "bo", 0, 9)
    letter = mail_store.letter(tables, 1)
    assert letter is not None
    assert (letter.row.at, letter.written_at, letter.users) == (1.5, 5, ("ann", "bo"))
    assert letter.to == (Recipient("ann", OWN), Recipient("bo", OWN))
    assert mail_store.remove(tables, 1, "ann") == 1
    assert mail_store.letter(tables, 1) is not None
    assert mail_store.remove(tables, 1, "") == 1
    assert mail_store.letter(tables, 1) is None
    assert tables.execute("SELECT count(*) FROM i3_letter_total").fetchone() == (0,)


def test_numbers_of_letters_are_not_used_again(tables: sqlite3.Connection) -> None:
    first = put(tables, "ann").id
    mail_store.remove(tables, first, "")
    assert put(tables, "ann").id > first
    drawn = [mail_store.next_number(tables, now) for now in (100, 100, 100, 50, 200)]
    assert drawn == [100, 101, 102, 103, 200]


def test_bytes_of_a_mud_are_counted_when_they_come_and_when_they_go(
    tables: sqlite3.Connection,
) -> None:
    ids = [put(tables, "ann", number=n, body="x" * 100 * n).id for n in range(5)]
    for id_ in ids[:3]:
        mail_store.remove(tables, id_, "")
    (kept,) = tables.execute("SELECT bytes FROM i3_letter_total").fetchone()
    assert kept == tables.execute("SELECT sum(size) FROM i3_letter").fetchone()[0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(-1, 12)), max_size=20))
def test_posts_have_numbers_that_grow_and_threads_that_are_known(
    posts: list[tuple[str, int]],
) -> None:
    with closing(sqlite3.connect(":memory:")) as tables:
        tables.executescript(news_store.TABLES)
        last = {"a": 0, "b": 0}
        for group, thread in posts:
            new = Post(id=0, at=1, thread=thread, subject="s", poster="p", text="t")
            number = news_store.add(tables, group, new)
            assert number == last[group] + 1
            last[group] = number
            kept = news_store.post(tables, group, number)
            assert kept is not None
            assert 0 < kept.thread <= number
            assert kept.thread == thread or kept.thread == number
        found = {each.name: (each.first, each.last) for each in news_store.groups(tables, "ab")}
        assert found == {name: (1, count) for name, count in last.items()}


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"mail_ttl": 0.0},
        {"mail_ttl": 8 * 86_400.0},
        {"news_groups": ("",)},
        {"news_groups": ("a\nb",)},
        {"news_groups": tuple(map(str, range(limits.NEWS_GROUPS_MAX + 1)))},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"letter|group"):
        GatewaySettings(mud_name=OWN, routers=(RouterAddress("*hub", "hub", 1),), **wrong)


def test_a_file_of_settings_may_offer_mail_and_news() -> None:
    found = tomllib.loads(
        'mail = true\nmail_users = ["Ann"]\nmail_ttl = 86400\nnews_groups = ["lpc", "trade"]\n'
    )
    made = _settings("Harbour", ["*hub=127.0.0.1:8787"], found)
    assert (made.mail, made.mail_users, made.mail_ttl) == (True, ("Ann",), 86_400.0)
    assert made.news_groups == ("lpc", "trade")


async def test_a_gateway_of_yesterday_gets_the_new_tables(tmp_path: Path) -> None:
    file = tmp_path / "i3.db"
    old = {**MIGRATIONS, "i3_gateway": store.SCHEMA[:1]}
    async with Database(file, old, durability=Durability.PROCESS_DEATH) as database:
        await database.execute(store.SET_VALUE, ("mud_name", OWN))
    async with Database(file, MIGRATIONS, durability=Durability.PROCESS_DEATH) as database:
        assert await database.fetch_all("SELECT value FROM i3_value") == [(OWN,)]
        assert await database.fetch_all("SELECT * FROM i3_letter, i3_post") == []
