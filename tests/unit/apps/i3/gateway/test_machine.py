"""A gateway without sockets: what follows from each packet."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import GatewaySettings, GatewayState, Player, RouterAddress, events
from holdfast.apps.i3.gateway.effects import (
    KeepChannels,
    KeepMuds,
    Leave,
    Refused,
    Replied,
    Rest,
    Send,
)
from holdfast.apps.i3.gateway.lists import ChannelList, MudList
from holdfast.apps.i3.gateway.machine import GatewayMachine
from holdfast.apps.i3.gateway.requests import Kind, Request

SETTINGS = GatewaySettings(
    mud_name="Harbour", routers=(RouterAddress("*hub", "192.0.2.1", 8080),), player_port=4000
)


def machine(*listens: str) -> GatewayMachine:
    return GatewayMachine(
        SETTINGS,
        muds=MudList("Harbour", {}, router="", id_=0, forget_after=180.0),
        channels=ChannelList({}, router="", id_=0),
        listens=dict.fromkeys(listens, False),
        draw_token=lambda: 42_789,
    )


def ready(*listens: str) -> GatewayMachine:
    made = machine(*listens)
    made.attempt("*hub", 0, 0)
    made.received(reply(), 0.0)
    made.ready(0.0)
    return made


def reply(router: str = "*hub") -> list[object]:
    return ["startup-reply", 5, router, 0, "Harbour", 0, [["*hub", "192.0.2.1 8080"]], 172]


def row(state: int = -1, **services: int) -> list[object]:
    return [state, "192.0.2.10", 4000, 0, 0, "L", "B", "D", "LP", "open", "o@a", services, 0]


def mudlist(id_: int, **muds: object) -> list[object]:
    return ["mudlist", 5, "*hub", 0, "Harbour", 0, id_, muds]


def told(effects: list[Any], kind: type[events.Event]) -> list[Any]:
    return [each for each in effects if isinstance(each, kind)]


def sent(effects: list[Any]) -> list[list[object]]:
    return [packets.write(each.packet) for each in effects if isinstance(each, Send)]


# --- the startup --------------------------------------------------------------------------------


def test_the_startup_says_who_we_are_and_what_we_hold() -> None:
    made = machine()
    made.muds.router, made.muds.id = "*hub", 41
    startup = made.attempt("*hub", 172, 0)
    assert (startup.password, startup.mudlist_id, startup.chanlist_id) == (172, 41, 0)
    assert packets.write(startup)[:6] == ["startup-req-3", 5, "Harbour", 0, "*hub", 0]
    assert len(packets.write(startup)) == 20
    assert made.attempt("*other", 0, 0).mudlist_id == 0, "ids are those of one router"


def test_a_reply_counts_only_from_the_router_that_was_asked() -> None:
    made = machine()
    made.attempt("*hub", 0, 0)
    assert made.received(reply("*evil"), 0.0) == []
    assert made.strays == 1
    (effect,) = made.received(reply(), 0.0)
    assert isinstance(effect, Replied)
    assert effect.password == 172
    assert made.state is GatewayState.STARTING, "it is ready when that is kept"


def test_an_error_while_starting_is_a_refusal_and_later_it_is_not() -> None:
    error = ["error", 5, "*hub", 0, "Harbour", 0, "not-allowed", "wrong password", 0]
    made = machine()
    made.attempt("*hub", 0, 0)
    assert made.received(error, 0.0) == [Refused("not-allowed", "wrong password")]
    (event,) = ready().received(error, 0.0)
    assert isinstance(event, events.ErrorOccurred)


def test_channels_are_listened_to_when_it_is_ready_and_a_return_is_news() -> None:
    made = machine("ale", "news")
    made.attempt("*hub", 0, 0)
    effects = made.ready(0.0)
    assert [each[6:] for each in sent(effects)] == [["ale", 1], ["news", 1]]
    assert told(effects, events.GatewayReconnected) == []
    made.lost(10.0)
    made.attempt("*hub", 0, 0)
    (event,) = told(made.ready(13.0), events.GatewayReconnected)
    assert (event.router, event.away) == ("*hub", 3.0)


# --- lists --------------------------------------------------------------------------------------


def test_a_list_is_a_delta_whatever_its_id() -> None:
    made = ready()
    effects = made.received(mudlist(41, Keep=row(tell=1), Gone=row()), 1.0)
    assert told(effects, events.MudOnline) == [], "the first list is no news"
    assert {each for e in effects if isinstance(e, KeepMuds) for each in e.changed} == {
        "Keep",
        "Gone",
    }
    effects = made.received(mudlist(3, Keep=row(0), Gone=0), 100.0)
    assert {each.mud_name for each in told(effects, events.MudOffline)} == {"Keep", "Gone"}
    assert made.muds.id == 3
    assert set(made.muds.muds) == {"Keep"}
    effects = made.received(mudlist(3, Keep=row(), New=row()), 200.0)
    assert {each.mud_name for each in told(effects, events.MudOnline)} == {"Keep", "New"}


def test_a_mud_is_found_as_people_write_it() -> None:
    made = ready()
    made.received(mudlist(1, **{"Old Keep": row(), "OLD KEEP TOO": row()}), 0.0)
    assert [made.muds.find(name) is not None for name in ("old.keep", "Old Keep", "old.kee")] == [
        True, True, False,
    ]  # fmt: skip


def test_what_another_router_does_not_name_is_dropped_after_a_while() -> None:
    made = ready()
    made.received(mudlist(1, Keep=row(), Harbour=row(), Gone=row()), 0.0)
    made.lost(1.0)
    made.attempt("*other", 0, 0)
    made.received(reply("*other"), 2.0)
    made.ready(2.0)
    made.received(["mudlist", 5, "*other", 0, 0, 0, 7, {"Keep": row(), "Harbour": row()}], 3.0)
    assert made.on_time(181.0) or True
    assert "Gone" in made.muds.muds
    effects = made.on_time(182.0)
    assert KeepMuds({"Gone": None}) in effects
    assert set(made.muds.muds) == {"Keep", "Harbour"}


def test_lists_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MUDS_MAX", 3)
    monkeypatch.setattr(limits, "CHANNELS_MAX", 2)
    made = ready()
    made.received(mudlist(1, **{f"m{n}": row() for n in range(10)}), 0.0)
    made.received(
        ["chanlist-reply", 5, "*hub", 0, "Harbour", 0, 1, {f"c{n}": ["m", 0] for n in range(9)}],
        0.0,
    )
    assert (len(made.muds.muds), len(made.channels.channels)) == (3, 2)


def test_a_channel_that_is_made_or_deleted_while_we_want_it_is_joined_and_left() -> None:
    made = ready("ale")
    chanlist = [
        "chanlist-reply",
        5,
        "*hub",
        0,
        "Harbour",
        0,
        9,
        {"ale": ["Keep", 0], "x": ["Keep", []]},
    ]
    effects = made.received(chanlist, 0.0)
    assert [each[6:] for each in sent(effects)] == [["ale", 1]]
    assert [each.channel for each in told(effects, events.ChannelJoined)] == ["ale"]
    assert made.channels.channels["x"].type == 0
    effects = made.received([*chanlist[:7], {"ale": 0}], 0.0)
    assert [each.channel for each in told(effects, events.ChannelLeft)] == ["ale"]
    assert KeepChannels({"ale": None}) in effects


# --- what others say ----------------------------------------------------------------------------


def test_a_tell_is_clean_of_control_bytes_and_says_whether_its_mud_is_known() -> None:
    made = ready()
    value = ["tell", 5, "Keep", "bo", "Harbour", "ann", 0, "%^RED%^a\x07\x1b[1mb\tc\nd"]
    (event,) = made.received(value, 0.0)
    assert isinstance(event, events.TellReceived)
    assert (event.message, event.visname, event.is_known) == ("ab\tc\nd", "bo", False)


def test_who_is_not_here_is_told_so_while_the_mud_says_who_is() -> None:
    made = ready()
    value: list[object] = ["tell", 5, "Keep", "bo", "Harbour", "cy", "Bo", "hello"]
    made.presence.told([Player(name="Ann")], 0.0)
    (error,) = sent(made.received(value, 29.0))
    assert error[:8] == ["error", 5, "Harbour", 0, "Keep", "bo", "unk-user", "There is no cy here."]
    assert error[8] == value
    assert told(made.received(value, 31.0), events.TellReceived), "the list is stale: let it pass"


def test_a_line_of_ours_that_the_router_returns_is_not_shown_again() -> None:
    made = ready("ale")
    value = ["channel-m", 5, "Harbour", "ann", 0, 0, "ale", "Ann", "hi"]
    assert made.received(value, 0.0) == []
    made.received(["chanlist-reply", 5, "*hub", 0, "Harbour", 0, 9, {"ale": ["Keep", 2]}], 0.0)
    assert told(made.received(value, 0.0), events.ChannelMessage), "the host may have changed it"


def test_lines_on_channels_that_nobody_hears_are_dropped() -> None:
    made = ready("ale")
    assert made.received(["channel-m", 5, "Keep", "bo", 0, 0, "beer", "Bo", "hi"], 0.0) == []
    assert made.inbound.unheard == 1


def test_who_speaks_has_joined_and_who_falls_silent_has_left() -> None:
    made = ready("ale")
    effects = made.received(["channel-m", 5, "Keep", "bo", 0, 0, "ale", "Bo", "hi"], 0.0)
    assert [each.user_name for each in told(effects, events.UserJoinedChannel)] == ["bo"]
    assert told(made.on_time(limits.MEMBER_SILENCE - 1), events.UserLeftChannel) == []
    left = told(made.on_time(limits.MEMBER_SILENCE + 60), events.UserLeftChannel)
    assert [each.user_name for each in left] == ["bo"]


def test_a_gesture_says_who_makes_it() -> None:
    made = ready("ale")
    for text, shown in (("$N waves", "Bo@Keep waves"), ("waves", "waves (from Bo@Keep)")):
        effects = made.received(["channel-e", 5, "Keep", "bo", 0, 0, "ale", "Bo", text], 0.0)
        assert told(effects, events.ChannelEmote)[0].message == shown


# --- questions ----------------------------------------------------------------------------------


def test_questions_of_others_are_answered_from_who_is_here() -> None:
    made = ready("ale")
    made.presence.told([Player(name="Ann", idle=3, title="the brave")], 0.0)
    head: list[object] = [5, "Keep", "bo", "Harbour", 0]
    questions: dict[str, list[object]] = {
        "who-req": [],
        "finger-req": ["ann"],
        "chan-who-req": ["ale"],
        "chan-user-req": ["ann"],
        "auth-mud-req": [],
        "ping-req": [7],
    }
    answers = {
        kind: sent(made.received([kind, *head, *more], 1.0))[0][6:]
        for kind, more in questions.items()
    }
    assert answers["who-req"] == [(["Ann", 3, "the brave"],)]
    assert answers["finger-req"][:2] == ["Ann", "the brave"]
    assert answers["chan-who-req"] == ["ale", ("Ann",)]
    assert answers["chan-user-req"] == ["ann", "Ann", 2]
    assert answers["auth-mud-req"] == [42_789]
    assert answers["ping-req"] == [7]
    located = made.received(["locate-req", 5, "Keep", "bo", 0, 0, "ann"], 1.0)
    assert sent(located)[0][6:8] == ["Harbour", "Ann"]
    assert made.received(["locate-req", 5, "Keep", "bo", 0, 0, "cy"], 1.0) == []


def test_who_asks_without_end_is_not_answered_for_a_while() -> None:
    made = ready()
    value: list[object] = ["who-req", 5, "Keep", "bo", "Harbour", 0]
    answers = [len(made.received(value, 0.0)) for _ in range(100)]
    assert sum(answers) == limits.ANSWERS_BURST
    assert made.services.unanswered == 100 - limits.ANSWERS_BURST
    assert len(made.received(["who-req", 5, "Other", "bo", "Harbour", 0], 0.0)) == 1


def test_answers_that_nobody_asked_for_are_dropped() -> None:
    made = ready()
    value = ["who-reply", 5, "Keep", 0, "Harbour", "ann", [["Bo", 1, ""]]]
    assert made.received(value, 0.0) == []
    answers: list[object] = []
    made.requests.open(Request(Kind.WHO, "Keep", "ann", answers.append))
    assert told(made.received(value, 0.0), events.WhoReply)
    assert answers == [None]
    assert made.received(value, 0.0) == []
    assert made.inbound.unasked == 2


def test_open_questions_end_with_the_connection_and_are_bounded() -> None:
    made = ready()
    answers: list[object] = []
    for number in range(limits.REQUESTS_MAX):
        made.requests.open(Request(Kind.WHO, "Keep", f"{number}", answers.append))
    with pytest.raises(I3Error) as refused:
        made.requests.open(Request(Kind.WHO, "Keep", "one more", answers.append))
    assert refused.value.code == I3Code.QUEUE_FULL
    made.lost(0.0)
    assert len(answers) == limits.REQUESTS_MAX
    assert all(isinstance(each, I3Error) and each.retry_after for each in answers)
    assert len(made.requests) == 0


# --- errors -------------------------------------------------------------------------------------


def handed(made: GatewayMachine, id_: str, target: str = "Keep") -> list[object]:
    value: list[object] = ["tell", 5, "Harbour", "ann", target, "bo", "Ann", "hi"]
    made.recent.add(made.unconfirmed.add(id_, value, 50, 0.0))
    return value


def test_an_error_names_the_message_and_proves_that_it_was_read() -> None:
    made = ready()
    handed(made, "older")
    value = handed(made, "one", "Nowhere")
    handed(made, "newer")
    error = ["error", 5, "*hub", 0, "Harbour", "ann", "unk-dst", "no such mud", value]
    (event,) = made.received(error, 0.0)
    assert isinstance(event, events.ErrorOccurred)
    assert (event.error, event.message_id, event.target_mud) == ("unk-dst", "one", "Nowhere")
    left = [each.message_id for each in told(made.lost(1.0), events.ErrorOccurred)]
    assert left == ["newer"]


def test_a_third_mud_has_no_say_in_what_became_of_a_message() -> None:
    made = ready()
    value = handed(made, "one")
    error = ["error", 5, "Liar", 0, "Harbour", "ann", "unk-user", "not here", value]
    assert made.received(error, 0.0) == []
    assert len(made.unconfirmed) == 1
    (event,) = made.received([*error[:2], "Keep", *error[3:]], 0.0)
    assert isinstance(event, events.ErrorOccurred)
    assert event.message_id == "one"


def test_flooding_is_a_warning_and_a_second_subscription_is_none() -> None:
    made = ready("ale")
    handed(made, "thrown away?")
    slower = [
        "error",
        5,
        "*hub",
        0,
        "Harbour",
        0,
        "not-allowed",
        "too fast, but nothing is lost",
        0,
    ]
    (event,) = made.received(slower, 0.0)
    assert isinstance(event, events.RateLimitWarning)
    flood = ["error", 5, "*hub", 0, "Harbour", 0, "not-allowed", "Flooding: slow down", 0]
    rest, event, fate = made.received(flood, 0.0)
    assert rest == Rest(12.0)
    assert isinstance(event, events.RateLimitWarning)
    assert isinstance(fate, events.ErrorOccurred)
    assert (fate.error, fate.message_id) == ("unknown-fate", "thrown away?")
    twice = ["channel-listen", 5, "Harbour", 0, "*hub", 0, "ale", 1]
    error = ["error", 5, "*hub", 0, "Harbour", 0, "not-allowed", "already subscribed", twice]
    assert made.received(error, 0.0) == []


def test_what_cannot_be_read_is_answered_only_if_it_was_for_us_alone() -> None:
    made = ready()
    short: list[object] = ["tell", 5, "Keep", "bo", "Harbour", "ann", "Bo"]
    (error,) = sent(made.received(short, 0.0))
    assert error[4:7] == ["Keep", "bo", "bad-pkt"]
    unanswered: list[object] = [
        [*short[:4], 0, *short[5:]],
        ["error", *short[1:]],
        [*short[:2], "*hub", *short[3:]],
        [*short[:2], "Harbour", *short[3:]],
        [1, 2],
        {},
        7,
    ]
    for value in unanswered:
        assert sent(made.received(value, 0.0)) == [], value
    (error,) = sent(made.received(["no-such-type", *short[1:]], 0.0))
    assert error[6] == "unk-type"
    assert made.bad_packets == 9


def test_a_packet_for_another_mud_is_a_stray() -> None:
    made = ready()
    assert made.received(["tell", 5, "Keep", "bo", "Other", "ann", "Bo", "hi"], 0.0) == []
    assert made.strays == 1


def test_a_deaf_router_is_left() -> None:
    made = ready()
    assert sent(made.on_time(1.0)) == [["auth-mud-req", 5, "Harbour", 0, "Harbour", 0]]
    made.received(["auth-mud-req", 5, "Harbour", 0, "Harbour", 0], 1.1)
    made.on_time(31.1)
    (effect,) = [each for each in made.on_time(61.1) if isinstance(each, Leave)]
    assert "does not answer" in effect.message


WORDS = st.sampled_from(["", "ale", "Keep", "Harbour", "x\x07", "%^RED%^", "$N $O"])
PLAIN: st.SearchStrategy[object] = st.one_of(st.integers(-2, 2**40), WORDS)
LISTS: st.SearchStrategy[object] = st.lists(PLAIN, max_size=4)
VALUES: st.SearchStrategy[object] = st.one_of(
    PLAIN,
    LISTS,
    st.lists(LISTS, max_size=2),
    st.dictionaries(WORDS, st.one_of(PLAIN, LISTS), max_size=3),
)
TYPES = [
    "tell",
    "error",
    "mudlist",
    "chanlist-reply",
    "startup-reply",
    "channel-t",
    "who-reply",
    "auth-mud-req",
]


@hypothesis_settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            VALUES,
            st.builds(
                lambda kind, mud, target, rest: [kind, 5, mud, "bo", target, "ann", *rest],
                st.sampled_from(TYPES),
                st.sampled_from(["*hub", "Keep", "Harbour", ""]),
                st.sampled_from(["Harbour", 0, "Other"]),
                st.lists(VALUES, max_size=9),
            ),
        ),
        max_size=8,
    )
)
def test_whatever_comes_nothing_breaks_and_no_error_is_answered_with_one(
    values: list[object],
) -> None:
    made = ready("ale")
    for now, value in enumerate(values):
        effects = made.received(value, float(now))
        if isinstance(value, list) and value and value[0] == "error":
            assert all(packet[0] != "error" for packet in sent(effects))
        made.on_time(float(now))
