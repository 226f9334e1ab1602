"""Channels of a router: who owns them, who may hear them and speak, what a host filters."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.apps.i3 import limits
from holdfast.apps.i3 import packets as p
from holdfast.apps.i3.router.effects import KeepChannel, Send
from tests.unit.apps.i3.router.muds import HUB, Mud, Net

OPEN, INVITED, FILTERED = 0, 1, 2


def three(kind: int, **settings: Any) -> tuple[Net, Mud, Mud, Mud]:
    """A host with a channel, and two who would like to hear it; they have been told of it."""
    net = Net(packet_rate=None, **settings)
    host, ann, bo = net.up("Host"), net.up("Harbour"), net.up("Old Keep")
    host.to_hub(p.ChannelAdd, channel="ale", kind=kind)
    net.wait(1)
    for mud in (host, ann, bo):
        mud.heard.clear()
    return net, host, ann, bo


def texts(mud: Mud) -> list[str]:
    return [each.text for each in mud.took(p.ChannelMessage)]


def test_a_new_channel_is_acknowledged_kept_and_told_to_all_who_have_channels() -> None:
    net = Net()
    host, ann, deaf = net.up("Host"), net.up("Harbour"), net.up("Deaf", services={"tell": 1})
    net.order.clear()
    host.to_hub(p.ChannelAdd, channel="ale", kind=FILTERED)
    (ack,) = host.all(p.ChanAck)
    assert (ack.from_mud, ack.to_user) == (HUB, "ann")
    kinds = [type(effect) for effect in net.order]
    assert kinds.index(KeepChannel) < kinds.index(Send)
    net.wait(1)
    assert ann.channels() == host.channels() == {"ale": p.ChannelRow("Host", FILTERED)}
    assert deaf.heard == []


@pytest.mark.parametrize(
    ("name", "kind", "fault"),
    [("", 0, "bad-pkt"), ("x" * 81, 0, "bad-pkt"), ("a\nb", 0, "bad-pkt"), ("new", 3, "bad-pkt"), ("new", -1, "bad-pkt"),
     ("ale", 0, "not-allowed")],
)  # fmt: skip
def test_a_channel_that_cannot_be_made_is_refused(name: str, kind: int, fault: str) -> None:
    net, host, ann, _ = three(OPEN)
    for mud in (ann, host):
        mud.to_hub(p.ChannelAdd, channel=name, kind=kind)
        assert mud.faults() == [fault]
    net.wait(1)
    assert ann.heard == []


def test_there_are_as_many_channels_as_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROUTER_CHANNELS_PER_MUD_MAX", 2)
    monkeypatch.setattr(limits, "ROUTER_CHANNELS_MAX", 3)
    _, host, ann, _ = three(OPEN)
    host.to_hub(p.ChannelAdd, channel="two", kind=0)
    host.to_hub(p.ChannelAdd, channel="three", kind=0)
    assert host.faults() == ["not-allowed"]
    ann.to_hub(p.ChannelAdd, channel="three", kind=0)
    ann.to_hub(p.ChannelAdd, channel="four", kind=0)
    assert ann.faults() == ["not-allowed"]


def test_a_line_comes_to_all_who_listen_and_back_to_its_own_mud() -> None:
    _, host, ann, bo = three(OPEN)
    ann.listen("ale")
    bo.listen("ale")
    ann.line("ale", "cheers")
    assert texts(ann) == texts(bo) == ["cheers"]
    assert host.heard == []
    bo.listen("ale", 0)
    ann.line("ale", "again")
    assert texts(ann) == ["again"]
    assert bo.heard == []


@pytest.mark.parametrize("kind", ["channel-m", "channel-e", "channel-t"])
def test_every_kind_of_line_is_passed_on_also_when_it_names_the_router(kind: str) -> None:
    _, _, ann, bo = three(OPEN)
    ann.listen("ale")
    bo.listen("ale")
    tail = ["Old Keep", "bo", "a", "b", "Ann", "Bo"] if kind == "channel-t" else ["Ann", "hi"]
    for target in (0, HUB):
        ann.say([kind, 5, "Harbour", "ann", target, 0, "ale", *tail])
    assert [value[0] for value in bo.heard] == [kind, kind]


def test_who_does_not_listen_does_not_speak() -> None:
    _, _, ann, bo = three(OPEN)
    bo.listen("ale")
    ann.line("ale")
    assert ann.faults() == ["not-allowed"]
    ann.line("none")
    assert ann.faults() == ["unk-channel"]
    ann.listen("none")
    assert ann.faults() == ["unk-channel"]
    ann.listen("none", 0)
    assert ann.heard == bo.heard == []


def test_names_of_channels_are_exact() -> None:
    _, _, ann, _ = three(OPEN)
    ann.listen("Ale")
    assert ann.faults() == ["unk-channel"]


def test_listening_twice_is_hearing_once() -> None:
    _, _, ann, _ = three(OPEN)
    ann.listen("ale")
    ann.listen("ale")
    ann.line("ale")
    assert texts(ann) == ["hi"]


def test_whose_connection_is_lost_hears_nothing_and_harms_nobody() -> None:
    net, _, ann, bo = three(OPEN)
    ann.listen("ale")
    bo.listen("ale")
    bo.lose()
    ann.line("ale")
    assert texts(ann) == ["hi"]
    assert net.machine.network.channels.listeners("ale") == (ann.number,)


def test_only_the_host_deletes_a_channel_and_then_it_is_gone_for_all() -> None:
    net, host, ann, bo = three(OPEN)
    bo.listen("ale")
    ann.to_hub(p.ChannelRemove, channel="ale")
    assert ann.faults() == ["not-allowed"]
    ann.to_hub(p.ChannelRemove, channel="none")
    assert ann.faults() == ["unk-channel"]
    host.to_hub(p.ChannelRemove, channel="ale")
    net.wait(1)
    assert bo.channels() == {"ale": None}
    bo.heard.clear()
    bo.line("ale")
    assert bo.faults() == ["unk-channel"]
    ann.to_hub(p.ChannelAdd, channel="ale", kind=OPEN)
    assert len(ann.all(p.ChanAck)) == 1
    ann.listen("ale")
    ann.line("ale")
    assert bo.took(p.ChannelMessage) == [], (
        "who heard the old one does not hear the new one unasked"
    )


def test_a_ban_on_an_open_channel_is_told_to_who_listens_and_can_be_lifted() -> None:
    _, host, ann, bo = three(OPEN)
    ann.listen("ale")
    bo.listen("ale")
    host.to_hub(p.ChannelAdmin, channel="ale", added=("Old Keep",), removed=())
    assert len(host.took(p.ChanAck)) == 1
    assert bo.faults() == ["not-allowed"]
    ann.line("ale")
    assert bo.heard == []
    bo.listen("ale")
    bo.line("ale")
    assert bo.faults() == ["not-allowed", "not-allowed"]
    host.to_hub(p.ChannelAdmin, channel="ale", added=(), removed=("Old Keep",))
    bo.listen("ale")
    bo.line("ale", "back")
    assert texts(bo) == ["back"]


@pytest.mark.parametrize("kind", [INVITED, FILTERED])
def test_a_channel_for_the_invited_is_for_its_host_and_them(kind: int) -> None:
    _, host, ann, bo = three(kind)
    host.listen("ale")
    assert host.faults() == []
    ann.listen("ale")
    assert ann.faults() == ["not-allowed"]
    host.to_hub(p.ChannelAdmin, channel="ale", added=("Harbour", "Not Here"), removed=())
    ann.listen("ale")
    assert ann.faults() == []
    bo.listen("ale")
    assert bo.faults() == ["not-allowed"]
    host.to_hub(p.ChannelAdmin, channel="ale", added=(), removed=("Harbour",))
    assert ann.faults() == ["not-allowed"]
    assert host.listen("ale") is None


def test_only_the_host_changes_or_sees_the_list_of_a_channel() -> None:
    _, host, ann, _ = three(INVITED)
    ann.to_hub(p.ChannelAdmin, channel="ale", added=("Harbour",), removed=())
    assert ann.faults() == ["not-allowed"]
    ann.to_hub(p.ChanAdminlist, channel="ale")
    assert ann.faults() == ["not-allowed"]
    host.to_hub(p.ChannelAdmin, channel="none", added=(), removed=())
    assert host.faults() == ["unk-channel"]
    host.to_hub(p.ChannelAdmin, channel="ale", added=("Old Keep", "Harbour"), removed=())
    host.to_hub(p.ChanAdminlist, channel="ale")
    assert host.took(p.ChanAdminlistReply)[0].muds == ("Harbour", "Old Keep")


def test_a_list_has_a_bound_and_only_names_of_muds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROUTER_LISTED_MAX", 2)
    _, host, _, _ = three(INVITED)
    host.to_hub(p.ChannelAdmin, channel="ale", added=("a", "b", "c"), removed=())
    assert host.faults() == ["not-allowed"]
    host.to_hub(p.ChannelAdmin, channel="ale", added=("*hub",), removed=())
    assert host.faults() == ["bad-pkt"]
    host.to_hub(p.ChannelAdmin, channel="ale", added=("a", "b", "c"), removed=("c",))
    assert host.faults() == []


def test_the_list_of_channels_can_be_asked_for_again() -> None:
    _, _, ann, _ = three(INVITED)
    ann.to_hub(p.ChanlistReq)
    assert ann.channels() == {"ale": p.ChannelRow("Host", INVITED)}


# --- filters --------------------------------------------------------------------------------------


def filtered() -> tuple[Net, Mud, Mud, Mud]:
    net, host, ann, bo = three(FILTERED, filter_timeout=10.0)
    host.to_hub(p.ChannelAdmin, channel="ale", added=("Harbour", "Old Keep"), removed=())
    for mud in (host, ann, bo):
        mud.listen("ale")
        mud.heard.clear()
    return net, host, ann, bo


def answer(host: Mud, packet: list[Any], channel: str = "ale") -> None:
    host.to_hub(p.ChanFilterReply, channel=channel, packet=packet, from_user="")


def test_a_line_on_a_filtered_channel_waits_for_the_word_of_its_host() -> None:
    _, host, ann, bo = filtered()
    ann.line("ale", "rude word")
    assert bo.heard == []
    (asked,) = host.took(p.ChanFilterReq)
    assert (asked.channel, asked.packet[8]) == ("ale", "rude word")
    answer(host, [*asked.packet[:8], "kind word"])
    assert texts(ann) == texts(bo) == texts(host) == ["kind word"]


def test_the_host_itself_is_not_filtered() -> None:
    _, host, _, bo = filtered()
    host.line("ale", "mine")
    assert texts(bo) == ["mine"]
    assert host.all(p.ChanFilterReq) == []


def test_a_host_answers_once_and_invents_nothing() -> None:
    _, host, ann, bo = filtered()
    ann.line("ale", "one")
    (asked,) = host.took(p.ChanFilterReq)
    answer(host, ["channel-m", 5, "Old Keep", "bo", 0, 0, "ale", "Bo", "never said"])
    assert host.faults() == ["not-allowed"]
    answer(host, ["channel-m", 5, "Harbour", "ann", 0, 0, "other", "Ann", "one"])
    assert host.faults() == ["bad-pkt"]
    answer(host, ["tell", 5, "Harbour", "ann", "Old Keep", "bo", "Ann", "one"])
    assert host.faults() == ["bad-pkt"]
    answer(host, [0])
    assert host.faults() == ["bad-pkt"]
    answer(bo, asked.packet)
    assert bo.faults() == ["not-allowed"]
    answer(host, asked.packet)
    answer(host, asked.packet)
    assert texts(bo) == ["one"]
    assert host.faults() == ["not-allowed"]


def test_a_line_that_the_host_never_lets_pass_is_told_to_its_sender() -> None:
    net, host, ann, bo = filtered()
    ann.line("ale", "dropped")
    (asked,) = host.took(p.ChanFilterReq)
    net.wait(11)
    (error,) = ann.took(p.ErrorPacket)
    assert (error.code, error.to_user) == ("unk-dst", "ann")
    assert error.packet is not None
    assert error.packet[8] == "dropped"
    answer(host, asked.packet)
    assert host.faults() == ["not-allowed"]
    assert bo.heard == []


def test_a_large_line_that_is_given_up_is_not_returned() -> None:
    net, _, ann, _ = filtered()
    ann.say(["channel-m", 5, "Harbour", "ann", 0, 0, "ale", "Ann", "x" * 5000], size=5100)
    net.wait(11)
    assert [each.packet for each in ann.all(p.ErrorPacket)] == [None]


def test_without_its_host_a_filtered_channel_is_dead() -> None:
    _, host, ann, _ = filtered()
    host.lose()
    ann.line("ale")
    assert ann.faults() == ["unk-dst"]


def test_when_too_many_lines_wait_the_oldest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROUTER_PENDING_FILTERS_MAX", 2)
    _, _, ann, bo = filtered()
    for mud, text in ((ann, "one"), (bo, "two"), (bo, "three")):
        mud.line("ale", text)
    assert ann.faults() == ["unk-dst"]
    assert bo.heard == []


def test_the_sender_of_a_line_that_is_given_up_may_be_gone() -> None:
    net, _, ann, _ = filtered()
    ann.line("ale")
    ann.lose()
    net.wait(11)
    assert net.machine.network.counts["refused"] == 0
