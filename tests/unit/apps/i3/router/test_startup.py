"""Who a router lets in, as whom, and what the others hear of it."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.apps.i3 import limits
from holdfast.apps.i3 import packets as p
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.lpc import DEPTH_MAX, decode, encode
from holdfast.apps.i3.router import RouterSettings
from holdfast.apps.i3.router.effects import Admit, KeepMud, Send
from tests.unit.apps.i3.router.muds import HUB, WALL, Net, startup


def test_a_new_mud_gets_a_password_the_router_and_the_lists() -> None:
    net = Net()
    net.up("Old Keep")
    harbour = net.connect("Harbour")
    password = harbour.start()

    assert harbour.is_admitted
    assert 0 < password < 2**31
    (reply,) = harbour.all(p.StartupReply)
    assert reply.routers == (p.RouterRow(HUB, "192.0.2.9 8787"),)
    assert (reply.from_mud, reply.to_mud) == (HUB, "Harbour")
    listed = harbour.listed()
    assert set(listed) == {"Old Keep", "Harbour"}
    row = listed["Harbour"]
    assert row is not None
    assert row.is_up
    assert (row.ip, row.player_port, row.email) == ("192.0.2.1", 4000, "ops@a.invalid")
    assert [value[0] for value in harbour.heard][:2] == ["startup-reply", "mudlist"]


def test_what_is_told_in_the_startup_reply_can_be_set() -> None:
    net = Net(advertise="198.51.100.1 8787", others=(("*two", "198.51.100.2 8787"),))
    harbour = net.connect("Harbour")
    harbour.start()
    assert harbour.all(p.StartupReply)[0].routers == (
        p.RouterRow(HUB, "198.51.100.1 8787"),
        p.RouterRow("*two", "198.51.100.2 8787"),
    )


def test_nobody_hears_of_a_mud_before_it_is_kept() -> None:
    net = Net()
    net.connect("Harbour").start()
    kinds = [type(effect) for effect in net.order]
    assert kinds.index(KeepMud) < kinds.index(Admit) < kinds.index(Send)


def test_the_password_of_a_mud_is_needed_and_keeps_its_value() -> None:
    net = Net()
    harbour = net.connect("Harbour")
    password = harbour.start()
    harbour.lose()

    again = net.connect("Harbour")
    assert again.start(password) == password
    assert again.is_admitted


@pytest.mark.parametrize("wrong", [0, -1, 1, 2**40])
def test_a_wrong_password_is_told_and_ends_the_connection(wrong: int) -> None:
    net = Net()
    harbour = net.up("Harbour")
    stranger = net.connect("Harbour", "203.0.113.7")
    stranger.start(wrong)

    assert stranger.faults() == ["not-allowed"]
    assert stranger.is_closed
    assert not stranger.is_admitted
    assert not harbour.is_closed
    stranger.tell("Harbour")
    assert stranger.heard == harbour.heard == [], "what comes on a closed link does not count"


def test_passwords_are_kept_as_hashes_with_salt() -> None:
    net = Net()
    passwords = [str(net.connect(name).start()) for name in ("Harbour", "Old Keep")]
    keys = [each.mud.key for each in net.kept if isinstance(each, KeepMud) and each.mud]
    assert len({key[:16] for key in keys}) == 2
    assert not any(password.encode() in key for password in passwords for key in keys)


def test_the_newcomer_with_the_right_password_is_the_mud_and_the_old_link_is_told_and_closed() -> (
    None
):
    net = Net()
    old = net.connect("Harbour")
    password = old.start()
    other = net.up("Old Keep")
    other.to_hub(p.ChannelAdd, channel="ale", kind=0)
    old.listen("ale")
    old.heard.clear()

    new = net.connect("Harbour")
    new.start(password)

    assert old.faults() == ["not-allowed"]
    assert old.is_closed
    new.heard.clear()
    other.tell("Harbour")
    other.listen("ale")
    other.line("ale")
    old.tell("Old Keep", "from the dead")
    assert [each.text for each in new.all(p.Tell)] == ["hi"]
    assert new.all(p.ChannelMessage) == [], "a new connection listens anew"
    assert old.heard == []
    assert other.all(p.Tell) == []
    old.lose()
    net.wait(60)
    assert "Harbour" not in other.listed(), "it was there all the time"


def test_a_first_password_that_was_lost_on_the_way_locks_nobody_out() -> None:
    net = Net()
    net.connect("Harbour").start()
    thief = net.connect("Harbour", "203.0.113.7")
    thief.start(0)
    assert thief.faults() == ["not-allowed"]

    again = net.connect("Harbour")
    password = again.start(0)
    assert again.is_admitted
    again.tell("Harbour")
    again.lose()

    third = net.connect("Harbour")
    third.start(0)
    assert third.faults() == ["not-allowed"], (
        "a word from the mud has shown that it has the password"
    )
    after = Net(net.restarted()).connect("Harbour")
    assert after.start(password) == password


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"to_mud": "*else"}, "unk-dst"),
        ({"from_mud": "*hub"}, "bad-pkt"),
        ({"from_mud": ""}, "bad-pkt"),
        ({"from_mud": " Harbour"}, "bad-pkt"),
        ({"from_mud": "Har\nbour"}, "bad-pkt"),
        ({"from_mud": "x" * 81}, "bad-pkt"),
    ],
)
def test_a_startup_that_makes_no_sense_is_told_and_ends_the_connection(
    change: dict[str, Any], fault: str
) -> None:
    net = Net()
    mud = net.connect("Harbour")
    mud.start(**change)
    assert mud.faults() == [fault]
    assert mud.is_closed
    assert net.kept == []


def test_a_startup_of_a_wrong_shape_is_told_and_can_be_said_again() -> None:
    net = Net()
    mud = net.connect("Harbour")
    value = p.write(startup("Harbour"))
    mud.say([*value[:12], {"not": "a text"}, *value[13:]])
    assert mud.faults() == ["bad-pkt"]
    mud.start()
    assert mud.is_admitted


def test_a_second_startup_on_one_connection_is_the_same_mud_or_an_error() -> None:
    net = Net()
    mud = net.connect("Harbour")
    password = mud.start()
    assert mud.start(password) == password
    assert not mud.is_closed
    mud.heard.clear()
    mud.say(startup("Old Keep"))
    assert mud.faults() == ["bad-proto"]
    assert mud.is_closed


def test_before_the_startup_nothing_counts() -> None:
    net = Net()
    other = net.up("Old Keep")
    mud = net.connect("Harbour")
    mud.tell("Old Keep")
    assert mud.faults() == ["unk-src"]
    mud.listen("ale")
    assert mud.faults() == ["unk-src"]
    assert other.heard == []


def test_who_never_starts_up_is_closed_after_a_hundred_packets() -> None:
    net = Net(packet_rate=None)
    mud = net.connect("Harbour")
    for _ in range(limits.ROUTER_BAD_PACKETS_MAX):
        assert not mud.is_closed
        mud.tell("Old Keep")
    assert mud.is_closed


def test_older_muds_are_let_in_and_get_shorter_rows_and_answers() -> None:
    net = Net()
    new = net.up("Old Keep", other={"x": 1})
    value = p.write(startup("Harbour"))
    old = net.connect("Harbour")
    old.say(["startup-req-2", *value[1:17], value[18]])
    rows = [value[7] for value in old.heard if value[0] == "mudlist"]
    assert {len(row) for listed in rows for row in listed.values()} == {11}
    assert rows[0]["Old Keep"][10] == {"tell": 1, "channel": 1, "who": 1, "locate": 1, "ucache": 1}
    old.heard.clear()

    new.say(
        p.LocateReply(from_mud="Old Keep", to_mud="Harbour", to_user="ann", located_mud="Old Keep",
                      located_visname="Bo", idle=7, status="editing")
    )  # fmt: skip
    assert [len(value) for value in old.heard] == [8]
    old.say(["locate-reply", 5, "Harbour", 0, "Old Keep", "bo", "Harbour", "Ann"])
    assert [len(value) for value in new.heard if value[0] == "locate-reply"] == [10]


def test_a_name_may_have_blanks_and_other_letters_and_is_exact() -> None:
    net = Net()
    net.up("Caf\u00e9 der Tr\u00e4ume")
    harbour = net.up("Harbour")
    lower = net.up("harbour")
    harbour.tell("Caf\u00e9 der Tr\u00e4ume")
    harbour.tell("harbour")
    assert harbour.faults() == []
    assert len(lower.all(p.Tell)) == 1


def test_words_of_a_mud_about_itself_are_bounded_before_everybody_gets_them() -> None:
    net = Net()
    deep: Any = {}
    for _ in range(90):
        deep = {"x": deep}
    mud = net.connect("Harbour")
    mud.start(
        mudlib="a\nb\x1b[31m" + "x" * 1000,
        player_port=-5,
        oob_tcp_port=70_000,
        services={f"s{n}": n for n in range(200)} | {"": 1, "tell\n": 1},
        other={"big": "x" * 5000},
    )
    row = mud.listed()["Harbour"]
    assert row is not None
    assert row.mudlib.startswith("a b [31mx")
    assert len(row.mudlib) <= limits.DESCRIPTION_LENGTH_MAX
    assert (row.player_port, row.oob_tcp_port) == (0, 0)
    assert len(row.services) == limits.SERVICES_MAX
    assert row.other == 0
    second = net.connect("Deep")
    second.start(other=deep)
    assert second.listed()["Deep"] is not None


@pytest.mark.parametrize("levels", range(DEPTH_MAX - 6, DEPTH_MAX))
def test_data_of_a_mud_that_would_make_the_list_too_deep_is_left_out(levels: int) -> None:
    other: Any = 1
    for _ in range(levels):
        other = {"x": other}
    net = Net()
    mud = net.connect("Harbour")
    mud.start(other=other)
    lists = [value for effect in net.order if isinstance(effect, Send) for value in [effect.value]]
    assert all(decode(encode(value)) for value in lists), "everybody can read what all are sent"
    row = mud.listed()["Harbour"]
    assert row is not None
    assert (row.other != 0) == (levels <= DEPTH_MAX - 3)


def test_there_are_as_many_muds_as_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROUTER_MUDS_MAX", 2)
    net = Net()
    net.up("Harbour")
    net.up("Old Keep")
    late = net.connect("Late")
    late.start()
    assert late.faults() == ["not-allowed"]
    assert late.is_closed


# --- who comes and goes ---------------------------------------------------------------------------


def test_the_others_are_told_of_a_newcomer_in_one_list_after_a_moment() -> None:
    net = Net()
    old = net.up("Old Keep")
    for number in range(20):
        net.connect(f"Mud {number}").start()
    assert old.heard == []
    net.wait(1)
    (told,) = old.all(p.Mudlist)
    assert set(told.muds) == {f"Mud {number}" for number in range(20)}


def test_a_mud_that_comes_back_soon_is_no_news() -> None:
    net = Net()
    old = net.up("Old Keep")
    mud = net.connect("Harbour")
    password = mud.start()
    net.wait(1)
    old.heard.clear()
    mud.lose()
    net.wait(10)
    net.connect("Harbour").start(password)
    net.wait(60)
    assert old.heard == []


def test_a_mud_that_stays_away_is_told_as_down_and_then_as_back() -> None:
    net = Net()
    old = net.up("Old Keep")
    mud = net.connect("Harbour")
    password = mud.start()
    net.wait(1)
    old.heard.clear()
    mud.lose()
    net.wait(10)
    assert old.heard == []
    net.wait(10)
    row = old.listed()["Harbour"]
    assert row is not None
    assert row.state == 0
    net.connect("Harbour").start(password)
    net.wait(1)
    row = old.listed()["Harbour"]
    assert row is not None
    assert row.is_up


@pytest.mark.parametrize(
    ("delay", "after", "state"),
    [(0, 1, 0), (1, 10, -1), (1, 30, 1), (60, 60, -1), (60, 90, 60), (301, 1, 301), (604_801, 1, None), (-7, 1, 0)],
)  # fmt: skip
def test_a_farewell_says_how_long_a_mud_stays_listed(
    delay: int, after: float, state: int | None
) -> None:
    net = Net()
    old = net.up("Old Keep")
    mud = net.up("Harbour")
    mud.to_hub(p.Shutdown, restart_delay=delay)
    assert mud.is_closed
    mud.lose()
    net.wait(after)
    listed = old.listed()
    if state == -1:
        assert "Harbour" not in listed, "it is still shown as there"
    elif state is None:
        assert listed["Harbour"] is None
    else:
        row = listed["Harbour"]
        assert row is not None
        assert row.state == state
    old.tell("Harbour")
    assert old.faults() == ["unk-dst"]


def test_a_mud_that_is_gone_for_a_week_is_deleted_with_its_channels_and_its_name_is_free() -> None:
    net = Net()
    old = net.up("Old Keep")
    mud = net.up("Harbour")
    mud.to_hub(p.ChannelAdd, channel="ale", kind=0)
    net.wait(1)
    mud.lose()
    net.wait(6.9 * 24 * 3600)
    assert old.listed()["Harbour"] is not None
    net.wait(0.2 * 24 * 3600)
    assert old.listed()["Harbour"] is None
    assert old.channels()["ale"] is None
    new = net.connect("Harbour", "203.0.113.1")
    assert new.start()
    assert new.is_admitted


def test_a_mud_that_stays_is_never_forgotten() -> None:
    net = Net()
    mud = net.up("Harbour")
    net.wait(30 * 24 * 3600)
    assert not mud.is_closed
    assert "Harbour" not in mud.listed()


def test_a_mud_is_told_only_what_has_changed_since_the_list_that_it_holds() -> None:
    net = Net()
    net.up("Old Keep")
    mud = net.connect("Harbour")
    password = mud.start()
    held = mud.all(p.Mudlist)[-1].id
    mud.lose()
    net.up("New")

    again = net.connect("Harbour")
    again.start(password, mudlist_id=held)
    assert set(again.listed()) == {"New"}
    again.lose()
    for strange in (-1, 0, 10**9, -(10**9)):
        other = net.connect("Harbour")
        other.start(password, mudlist_id=strange)
        assert set(other.listed()) == {"Old Keep", "Harbour", "New"}
        other.lose()


def test_lists_fit_into_frames_that_every_client_takes() -> None:
    net = Net(list_delay=0.0)
    for number in range(80):
        net.connect(f"Mud {number}").start(other={"about": "x" * 1900})
    mud = net.connect("Harbour")
    mud.start()
    lists = [value for value in mud.heard if value[0] == "mudlist"]
    assert len(lists) > 2
    assert all(len(encode(value)) < 65_536 for value in lists)
    assert len(mud.listed()) == 81
    numbers = [each.id for each in mud.all(p.Mudlist)]
    assert numbers == sorted(set(numbers)), "each part says how far one has got"


def test_the_router_says_when_it_goes() -> None:
    net = Net()
    mud = net.up("Harbour")
    silent = net.connect("Silent")
    net.do(net.machine.leave(1))
    assert [each.restart_delay for each in mud.all(p.RouterShutdown)] == [1]
    assert silent.heard == []


# --- after a restart ------------------------------------------------------------------------------


def test_after_a_restart_names_passwords_and_channels_are_what_they_were() -> None:
    net = Net()
    mud = net.connect("Harbour")
    password = mud.start()
    mud.to_hub(p.ChannelAdd, channel="ale", kind=1)
    mud.to_hub(p.ChannelAdmin, channel="ale", added=("Old Keep",), removed=("Never",))
    mud.to_hub(p.ChannelAdd, channel="gone", kind=0)
    mud.to_hub(p.ChannelRemove, channel="gone")
    net.wait(1)
    held = mud.all(p.Mudlist)[-1].id

    after = Net(net.restarted())
    thief = after.connect("Harbour", "203.0.113.1")
    thief.start(0)
    assert thief.faults() == ["not-allowed"]
    back = after.connect("Harbour")
    assert back.start(password, mudlist_id=held) == password
    assert back.channels() == {"ale": p.ChannelRow("Harbour", 1), "gone": None}
    row = back.listed()["Harbour"]
    assert row is not None
    assert row.is_up
    back.to_hub(p.ChanAdminlist, channel="ale")
    assert [each.muds for each in back.all(p.ChanAdminlistReply)] == [("Old Keep",)]


def test_after_a_restart_nobody_is_there_until_he_comes_and_everybody_is_told_so() -> None:
    net = Net()
    net.up("Old Keep")
    mud = net.connect("Harbour")
    password = mud.start()
    held = mud.all(p.Mudlist)[-1].id

    after = Net(net.restarted())
    back = after.connect("Harbour")
    back.start(password, mudlist_id=held)
    row = back.listed()["Old Keep"]
    assert row is not None
    assert not row.is_up


def test_who_was_away_before_a_restart_is_not_kept_for_longer_by_it() -> None:
    net = Net()
    net.up("Harbour").lose()
    net.wait(60)
    net.wait(6 * 24 * 3600)
    kept = net.restarted()
    after = Net(kept)
    after.machine._wall = WALL + 6.5 * 24 * 3600  # the process began that much later
    witness = after.up("Old Keep")
    after.wait(24 * 3600)
    assert witness.listed()["Harbour"] is None


@pytest.mark.parametrize("name", ["hub", "*", "", "**", "* x", "*" + "x" * 81])
def test_a_router_needs_the_name_of_one(name: str) -> None:
    with pytest.raises(I3Error) as refused:
        RouterSettings(name=name)
    assert refused.value.code is I3Code.NAME_INVALID
