"""Where a router passes packets on, and what their senders hear when it does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.apps.i3 import limits
from holdfast.apps.i3 import packets as p
from holdfast.apps.i3.lpc import encode
from tests.unit.apps.i3.packet_examples import BODIES, FRAMES
from tests.unit.apps.i3.router.muds import HUB, Mud, Net, startup
from tests.unit.apps.i3.test_lpc import VALUES


def two(**settings: Any) -> tuple[Net, Mud, Mud]:
    net = Net(**settings)
    return net, net.up("Harbour"), net.up("Old Keep")


def test_a_tell_arrives_unchanged_but_for_its_hops() -> None:
    _, ann, bo = two()
    ann.say(
        [
            "tell",
            5,
            "Harbour",
            "ann",
            "Old Keep",
            "bo",
            "Ann",
            'caf\u00e9 "x" \\ \n',
            "extra",
            {"a": [1]},
        ]
    )
    assert bo.heard == [
        ["tell", 4, "Harbour", "ann", "Old Keep", "bo", "Ann", 'caf\u00e9 "x" \\ \n', "extra", {"a": [1]}]
    ]  # fmt: skip
    assert ann.heard == []


@pytest.mark.parametrize("ttl", [0, -1, -200])
def test_a_packet_that_has_gone_round_in_circles_is_dropped(ttl: int) -> None:
    _, ann, bo = two()
    ann.tell("Old Keep", ttl=ttl)
    assert ann.heard == bo.heard == []


def test_any_number_of_hops_is_taken() -> None:
    _, ann, bo = two()
    ann.tell("Old Keep", ttl=200)
    ann.tell("Old Keep", ttl=1)
    assert [value[1] for value in bo.heard] == [199, 0]


def test_hops_that_are_written_as_a_float_harm_nobody() -> None:
    _, ann, bo = two()
    ann.say(["tell", 5.0, "Harbour", "ann", "Old Keep", "bo", "Ann", "hi"])
    assert ann.faults() == ["bad-pkt"]
    assert bo.heard == []


@pytest.mark.parametrize("name", ["Old Keep", "*hub", "Nobody", ""])
def test_nobody_speaks_in_the_name_of_another(name: str) -> None:
    _, ann, bo = two()
    ann.tell("Old Keep", from_mud=name)
    assert ann.faults() == ["unk-src"]
    assert bo.heard == []


def test_a_tell_to_nowhere_comes_back_with_its_error() -> None:
    net, ann, bo = two()
    bo.lose()
    for target in ("Nowhere", "Old Keep"):
        ann.tell(target)
        (error,) = ann.took(p.ErrorPacket)
        assert (error.code, error.from_mud, error.to_mud, error.to_user) == (
            "unk-dst", HUB, "Harbour", "ann",
        )  # fmt: skip
        assert error.packet is not None
        assert error.packet[4] == target
    assert net.machine.network.counts["refused"] == 2


def test_a_large_packet_is_not_returned_with_its_error() -> None:
    _, ann, _ = two()
    ann.say(
        ["tell", 5, "Harbour", "ann", "Nowhere", "bo", "Ann", "x" * 5000],
        size=limits.ERROR_PACKET_BYTES_MAX + 1,
    )
    assert [each.packet for each in ann.all(p.ErrorPacket)] == [None]


def test_an_error_is_passed_on_and_never_answered_by_an_error() -> None:
    _, ann, bo = two()
    error = p.ErrorPacket(
        from_mud="Harbour", to_mud="Old Keep", to_user="bo", code="unk-user", message="", packet=None
    )  # fmt: skip
    ann.say(error)
    assert [each.code for each in bo.all(p.ErrorPacket)] == ["unk-user"]
    for target in ("Nowhere", HUB, 0):
        ann.say(["error", 5, "Harbour", 0, target, 0, "unk-user", "", 0])
    ann.say(["error", 5, "Stranger", 0, "Old Keep", 0, "unk-user", "", 0])
    ann.say(["error", 5, "Harbour", 0, "Old Keep", 0])
    assert ann.heard == []


@pytest.mark.parametrize(
    ("kind", "service"), [("locate-req", "locate"), ("who-req", "who"), ("ucache-update", "ucache")]
)
def test_a_broadcast_goes_to_all_others_who_have_the_service(kind: str, service: str) -> None:
    net, ann, bo = two()
    without = net.up("Without", services={"tell": 1})
    off = net.up("Off", services={service: 0})
    tail = {"locate-req": ["bo"], "ucache-update": ["ann", "Ann", 1]}.get(kind, [])
    ann.say([kind, 5, "Harbour", "ann", 0, 0, *tail])
    assert [value[0] for value in bo.heard] == [kind]
    assert ann.heard == without.heard == off.heard == []


def test_a_broadcast_that_is_none_is_dropped_in_silence() -> None:
    _, ann, bo = two()
    ann.say(["tell", 5, "Harbour", "ann", 0, 0, "Ann", "hi all"])
    ann.say(["fnord", 5, "Harbour", "ann", 0, 0])
    assert ann.heard == bo.heard == []


def test_an_unknown_type_is_passed_on_to_a_mud_and_told_when_it_is_for_the_router() -> None:
    _, ann, bo = two()
    ann.say(["fnord", 5, "Harbour", "ann", "Old Keep", "bo", {"x": 1}])
    assert bo.heard == [["fnord", 4, "Harbour", "ann", "Old Keep", "bo", {"x": 1}]]
    ann.say(["fnord", 5, "Harbour", "ann", HUB, 0])
    assert ann.faults() == ["unk-type"]
    ann.tell(HUB)
    assert ann.faults() == ["not-imp"]


@pytest.mark.parametrize(
    "kind",
    ["startup-reply", "mudlist", "chanlist-reply", "chan-filter-req", "chan-ack", "chan-adminlist-reply",
     "router-shutdown", "irn-data", "irn-anything"],
)  # fmt: skip
def test_what_only_routers_say_no_mud_says(kind: str) -> None:
    _, ann, bo = two()
    examples = {each.type: each for each in [each for each, *_ in FRAMES.values()] + [each for each, _ in BODIES]}  # fmt: skip
    tail = p.write(examples[kind])[6:] if kind in examples else []
    ann.say([kind, 5, "Harbour", 0, "Old Keep", 0, *tail])
    assert ann.faults() == ["not-allowed"]
    assert bo.heard == []


def test_a_mud_may_probe_itself() -> None:
    _, ann, _ = two()
    ann.say(p.AuthMudReq(from_mud="Harbour", to_mud="Harbour"))
    assert len(ann.all(p.AuthMudReq)) == 1


def test_what_cannot_be_read_is_told_and_too_much_of_it_ends_the_connection() -> None:
    net, ann, _ = two()
    net.do(net.machine.garbled(ann.number, "no value"))
    assert ann.faults() == ["bad-pkt"]
    for number in range(limits.ROUTER_BAD_PACKETS_MAX - 1):
        assert not ann.is_closed, number
        ann.say(["tell", 5, "Harbour"])
    assert ann.is_closed


def test_a_good_packet_makes_up_for_bad_ones() -> None:
    _, ann, _ = two(packet_rate=None)
    for _ in range(5):
        for _ in range(limits.ROUTER_BAD_PACKETS_MAX - 1):
            ann.say([])
        ann.tell("Old Keep")
    assert not ann.is_closed


# --- floods ---------------------------------------------------------------------------------------


def test_who_is_too_quick_is_told_once_and_read_more_slowly_and_nothing_is_lost() -> None:
    _, ann, bo = two(packet_rate=10.0, packet_burst=20)
    for number in range(100):
        ann.tell("Old Keep", str(number))
    assert [each.text for each in bo.all(p.Tell)] == [str(number) for number in range(100)]
    assert ann.faults() == ["not-allowed"]
    assert ann.paused[0] == pytest.approx(0.1)
    assert ann.paused[-1] == pytest.approx(8.0, abs=0.2)


def test_who_keeps_to_the_rate_is_never_slowed_down() -> None:
    net, ann, _ = two(packet_rate=10.0, packet_burst=20)
    for _ in range(500):
        ann.tell("Old Keep")
        net.wait(0.1)
    assert ann.paused == []
    assert ann.heard == []


def test_who_is_still_too_quick_a_minute_later_is_told_again() -> None:
    net, ann, _ = two(packet_rate=10.0, packet_burst=5)
    for _ in range(3):
        for _ in range(300):
            ann.tell("Old Keep")
        net.wait(31)
    assert len(ann.all(p.ErrorPacket)) == 2


def test_large_packets_count_for_more() -> None:
    _, ann, _ = two(packet_rate=10.0, packet_burst=20)
    ann.say(p.write(p.Beep(from_mud="Harbour", to_mud="Old Keep", visname="")), size=250_000)
    assert ann.paused, "it is as much as many small ones"


def test_nobody_is_left_unread_for_so_long_that_his_end_is_not_noticed() -> None:
    _, ann, _ = two(packet_rate=1.0, packet_burst=1)
    for _ in range(1000):
        ann.tell("Old Keep")
    assert max(ann.paused) == limits.ROUTER_PAUSE_MAX


def test_without_a_rate_nobody_is_slowed_down() -> None:
    _, ann, bo = two(packet_rate=None)
    for _ in range(2000):
        ann.tell("Old Keep")
    assert ann.paused == ann.heard == []
    assert len(bo.heard) == 2000


# --- whatever comes -------------------------------------------------------------------------------

EXAMPLES = [p.write(each) for each in [f[0] for f in FRAMES.values()] + [e for e, _ in BODIES] if isinstance(each, p.Packet)]  # fmt: skip
NAMES = st.sampled_from(["Harbour", "Old Keep", HUB, "Nowhere", "ale", "quiet", "", 0])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(EXAMPLES),
            st.dictionaries(st.integers(1, 20), NAMES | VALUES, max_size=4),
            st.sampled_from([None, "lose", "wait"]),
        ),
        max_size=30,
    )
)
def test_no_order_of_packets_breaks_the_machine_or_its_rules(steps: list[Any]) -> None:
    net, ann, bo = two()
    bo.to_hub(p.ChannelAdd, channel="ale", kind=0)
    bo.to_hub(p.ChannelAdd, channel="quiet", kind=2)
    passwords: dict[str, int] = {}
    for is_ann, example, changes, then in steps:
        mud = ann if is_ann else bo
        value = [*example[:2], mud.name, *example[3:]]
        for place, change in changes.items():
            if place < len(value):
                value[place] = change
        mud.say(value)
        if then == "wait":
            net.wait(40)
        if mud.is_closed or then == "lose":
            mud.lose()
            new = net.connect(mud.name)
            new.start(passwords.get(mud.name, 0))
            if is_ann:
                ann = new
            else:
                bo = new
        up = net.machine.network.up
        assert all(up[name].mud == name for name in up)
        assert len({link.id for link in up.values()}) == len(up)
    net.wait(100)
    for mud in net.muds.values():
        for value in mud.heard:
            assert len(encode(value)) < 262_144
            if value[0] not in {"error", "startup-reply", "mudlist", "chanlist-reply", "chan-ack", "chan-filter-req",
                                "chan-adminlist-reply"}:  # fmt: skip
                assert value[2] in {"Harbour", "Old Keep"}


def test_a_stranger_connection_number_is_nobody() -> None:
    net = Net()
    assert net.machine.received(99, p.write(startup("X")), 10, net.now) == []
    assert net.machine.garbled(99, "x") == []
    assert net.machine.lost(99, net.now) == []
