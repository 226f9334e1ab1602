"""Every type of packet: its bytes are what the protocol says, and what is written is read again."""

from __future__ import annotations

import types
import typing
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.apps.i3 import packets as p
from holdfast.apps.i3.errors import Fault, PacketError
from holdfast.apps.i3.lpc import INT_MAX, INT_MIN
from holdfast.apps.i3.mudmode import Mudmode, packet, packets
from tests.unit.apps.i3.packet_examples import BODIES, FRAMES, KEEP
from tests.unit.apps.i3.test_lpc import TEXTS, VALUES

ALL = [*p.PACKETS, *p.OOB_PACKETS]
INTS = st.integers(INT_MIN, INT_MAX)


def read_any(value: object) -> p.Packet | p.OobPacket:
    in_band = isinstance(value, list) and value[0] in {p.type_of(kind) for kind in p.PACKETS}
    return p.read(value) if in_band else p.read_oob(value)


def value_in(body: bytes) -> Any:
    found = packets(body)
    assert found.error is None
    (value,) = found.values
    return value


def values_in(length: int, body: bytes) -> list[Any]:
    """Read a frame whose announced length is given, as it comes from a socket."""
    frames = Mudmode().feed(length.to_bytes(4, "big") + body)
    assert frames == [body], "the length is that of the body"
    found = packets(body)
    assert found.error is None
    return found.values


# --- golden bytes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("example", "length", "body"), FRAMES.values(), ids=FRAMES)
def test_frames_are_written_and_read_as_the_reference_has_them(
    example: p.Packet | p.OobPacket, length: int, body: bytes
) -> None:
    assert Mudmode().encode(packet(p.write(example))) == length.to_bytes(4, "big") + body + b"\0"
    assert [read_any(value) for value in values_in(length, body + b"\0")] == [example]


@pytest.mark.parametrize(
    ("example", "body"), BODIES, ids=[type(example).__name__ for example, _ in BODIES]
)
def test_bodies_are_written_and_read_as_the_tables_have_them(
    example: p.Packet | p.OobPacket, body: bytes
) -> None:
    assert packet(p.write(example)) == body + b"\0"
    assert read_any(value_in(body + b"\0")) == example
    assert p.write(example)[0] == example.type


def test_every_type_of_packet_has_golden_bytes() -> None:
    shown = {type(each[0]) for each in FRAMES.values()} | {type(example) for example, _ in BODIES}
    assert set(ALL) - shown == set()
    assert list(FRAMES) == [f"E{number}" for number in range(1, 19)]


def test_no_type_is_missing_from_the_tables() -> None:
    def kinds(base: type) -> set[type]:
        return {each for kind in base.__subclasses__() for each in ({kind} | kinds(kind))}

    assert kinds(p.Packet) - {p.Startup} == set(p.PACKETS)
    assert kinds(p.OobPacket) == set(p.OOB_PACKETS)
    assert len({p.type_of(kind) for kind in ALL}) == len(ALL)


def test_news_come_as_bare_arrays() -> None:
    assert msgspec.convert([1700000000, 3, "", "Ann", "hi"], p.NewsPost).poster == "Ann"
    assert msgspec.convert([["lpc", 1, 9]], list[p.NewsGroup]) == [p.NewsGroup("lpc", 1, 9)]


# --- odd input ------------------------------------------------------------------------------------


def test_x1_two_packets_of_one_frame_are_read_in_order() -> None:
    made, said = values_in(
        0x7D,
        b'({"chanlist-reply",5,"*hub",0,"Harbour",0,1,(["ale":({"Harbour",0,}),]),})\x0d'
        b'({"chan-ack",5,"*hub",0,"Harbour","ann","made",})\x0d',
    )
    assert p.read(made) == p.ChanlistReply(
        from_mud="*hub", to_mud="Harbour", id=1, channels={"ale": p.ChannelRow("Harbour", 0)}
    )
    assert p.read(said) == p.ChanAck(from_mud="*hub", to_mud="Harbour", to_user="ann", text="made")


def test_x2_a_packet_without_an_end_is_taken() -> None:
    (value,) = values_in(0x38, b'({"tell",5,"Harbour","ann","Old Keep","bo","Ann","hi",})')
    assert p.read(value) == p.Tell(
        from_mud="Harbour", from_user="ann", to_mud="Old Keep", to_user="bo", visname="Ann", text="hi"
    )  # fmt: skip


def test_x3_a_quote_that_is_not_escaped_costs_its_packet_and_nothing_else() -> None:
    body = b'({"channel-m",5,"Old Keep","bo",0,0,"ale","Bo","he said "no" to me",})\x00'
    good = b'({"who-req",5,"Harbour","ann","Old Keep",0,})\x00'
    stream = b"".join(len(each).to_bytes(4, "big") + each for each in (body, good))
    assert stream[:4] == b"\x00\x00\x00\x47"
    refused, taken = (packets(frame) for frame in Mudmode().feed(stream) if type(frame) is bytes)
    assert refused.values == []
    assert refused.error is not None
    assert p.read(taken.values[0]) == p.WhoReq(
        from_mud="Harbour", from_user="ann", to_mud="Old Keep"
    )


def test_x4_an_empty_slot_is_nothing_and_moves_no_field() -> None:
    (value,) = values_in(0x2F, b'({"tell",5,"Old Keep",,"Harbour",,"Bo","hi",})\x00')
    assert value == ["tell", 5, "Old Keep", 0, "Harbour", 0, "Bo", "hi"]
    assert p.read(value) == p.Tell(from_mud="Old Keep", to_mud="Harbour", visname="Bo", text="hi")


def test_x5_a_row_that_is_no_array_is_no_row() -> None:
    (value,) = values_in(0x36, b'({"who-reply",5,"Old Keep",0,"Harbour","ann",({,}),})\x00')
    assert value[6] == [0]
    assert p.read(value) == p.WhoReply(
        from_mud="Old Keep", to_mud="Harbour", to_user="ann", rows=()
    )


def test_x6_an_empty_mapping_that_is_written_wrongly_is_empty_and_never_sent() -> None:
    (value,) = values_in(
        0x69,
        b'({"startup-req-3",5,"Harbour",0,"*hub",0,0,0,0,4000,0,0,"a","a","a","LP","open","x@y.invalid",([,]),0,})\x00',
    )
    read = p.read(value)
    assert isinstance(read, p.StartupReq3)
    assert read.services == {}
    assert b"([]),0,})" in packet(p.write(read))


def test_x7_a_text_of_the_old_world_is_read_by_itself() -> None:
    (value,) = values_in(0x3A, b'({"tell",5,"Old Keep","bo","Harbour","ann","Bo","caf\xe9",})\x00')
    read = p.read(value)
    assert isinstance(read, p.Tell)
    assert read.text == "caf\u00e9"


def test_x8_a_channel_whose_type_is_no_number_is_open() -> None:
    (value,) = values_in(
        0x4E, b'({"chanlist-reply",5,"*hub",0,"Harbour",0,9,(["ale":({"Harbour",({}),}),]),})\x00'
    )
    read = p.read(value)
    assert isinstance(read, p.ChanlistReply)
    assert read.channels == {"ale": p.ChannelRow("Harbour", 0)}


def test_x9_a_struct_is_an_array_and_no_text() -> None:
    (value,) = values_in(0x3C, b'({"tell",5,"Old Keep","bo","Harbour","ann","Bo",(/1,2,/),})\x00')
    assert value[7] == [1, 2]
    with pytest.raises(PacketError) as refused:
        p.read(value)
    assert refused.value.fault is Fault.BAD_PACKET


def test_x10_numbers_in_all_their_forms() -> None:
    (value,) = values_in(0x31, b"({007,-0,1.500000,1e+3,-2,9223372036854775807,})\x00")
    assert value == [7, 0, 1.5, 1000.0, -2, INT_MAX]


# --- what is written is read again, for every type ------------------------------------------------


def fields(hint: Any) -> st.SearchStrategy[Any]:
    """All values that a field of such a kind may have."""
    if hint is object:
        return VALUES
    if hint is int:
        return INTS
    if hint is str:
        return TEXTS
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return structs(hint)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        return fields(inner[0])
    if origin in {types.UnionType, typing.Union}:
        return st.one_of([st.none() if each is types.NoneType else fields(each) for each in inner])
    if origin is tuple:
        return st.lists(fields(inner[0]), max_size=4).map(tuple)
    if origin is list:
        return st.lists(fields(inner[0]), max_size=4)
    assert origin is dict, f"a field of {hint} is known here"
    return st.dictionaries(fields(inner[0]), fields(inner[1]), max_size=4)


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{name: fields(hints[name]) for name in kind.__struct_fields__})


@pytest.mark.parametrize("kind", ALL, ids=[kind.__name__ for kind in ALL])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_written_of_a_packet_is_read_again(
    kind: type[p.Packet], data: st.DataObject
) -> None:
    original = data.draw(structs(kind))
    assert read_any(value_in(packet(p.write(original)))) == original


# --- hostile and half-right input -----------------------------------------------------------------

FIELD = VALUES | st.sampled_from(["Harbour", "*hub", "ann", 0, 5, [], {}, [["Bo"]], {"ale": []}])


@settings(deadline=None)
@given(
    st.sampled_from([p.type_of(kind) for kind in ALL] + ["nothing-of-the-kind"]),
    st.lists(FIELD, max_size=22),
)
def test_fields_of_any_kind_are_a_packet_or_one_clear_error(kind: str, rest: list[Any]) -> None:
    for reader in (p.read, p.read_oob):
        try:
            found = reader([kind, *rest])
        except PacketError as error:
            assert error.fault in {Fault.BAD_PACKET, Fault.UNKNOWN_TYPE}
            continue
        assert reader(p.write(found)) == found, "what was mended is whole"


@settings(deadline=None)
@given(
    st.sampled_from([each[0] for each in FRAMES.values()] + [each for each, _ in BODIES]), st.data()
)
def test_an_element_too_many_is_passed_over_and_one_too_few_is_refused(
    example: p.Packet | p.OobPacket, data: st.DataObject
) -> None:
    value = p.write(example)
    if not example.type.startswith("startup-req"):  # whose versions are told apart by their length
        assert read_any([*value, data.draw(VALUES)]) == example
    least = p.HEADER if isinstance(example, p.Packet) else 1
    if len(value) > least and msgspec.structs.fields(type(example))[-1].required:
        with pytest.raises(PacketError):
            read_any(value[:-1])


@pytest.mark.parametrize(
    "value",
    [0, "tell", [], ["tell"], ["tell", 5, "a", "b", "c"], [5] * 8, {"tell": 1}, [["tell"], 5, "a", 0, "b", 0]],
)  # fmt: skip
def test_what_has_no_header_is_no_packet(value: object) -> None:
    with pytest.raises(PacketError, match="no packet"):
        p.read(value)


@pytest.mark.parametrize("place", range(1, 6))
def test_a_field_of_the_header_with_a_wrong_type_is_refused(place: int) -> None:
    value: list[object] = ["tell", 5, "Harbour", "ann", "Old Keep", "bo", "Ann", "hi"]
    value[place] = {"a": 1}
    with pytest.raises(PacketError) as refused:
        p.read(value)
    assert refused.value.fault is Fault.BAD_PACKET


def test_an_unknown_type_is_told_by_its_own_word() -> None:
    with pytest.raises(PacketError) as refused:
        p.read(["fnord", 5, "Harbour", 0, 0, 0])
    assert refused.value.fault is Fault.UNKNOWN_TYPE


def test_good_fields_of_a_row_are_kept_when_others_are_wrong_or_missing() -> None:
    muds = {
        "Short": [-1, "192.0.2.1"],
        "Wrong": [-1, 0, "4000", [], 0, "Lib", 0, 0, 0, "open", 0, [], 0],
        "Old": [-1, "192.0.2.2", 1, 2, 3, "Lib", "Base", "Driver", "LP", "open", {"tell": 1}],
        "Text": "nothing of the kind",
        "Gone": 0,
    }
    read = p.read(["mudlist", 5, "*hub", 0, "Harbour", 0, 7, muds])
    assert isinstance(read, p.Mudlist)
    assert read.muds == {
        "Short": p.MudRow(-1, "192.0.2.1"),
        "Wrong": p.MudRow(-1, mudlib="Lib", open_status="open"),
        "Old": p.MudRow(-1, "192.0.2.2", 1, 2, 3, "Lib", "Base", "Driver", "LP", "open", "", {"tell": 1}),
        "Gone": None,
    }  # fmt: skip


def test_nothing_in_place_of_an_array_or_a_mapping_is_an_empty_one() -> None:
    who = p.read(["who-reply", 5, "Old Keep", 0, "Harbour", "ann", 0])
    assert isinstance(who, p.WhoReply)
    assert who.rows == ()
    listed = p.read(["mudlist", 5, "*hub", 0, "Harbour", 0, 7, 0])
    assert isinstance(listed, p.Mudlist)
    assert listed.muds == {}


@pytest.mark.parametrize("version", [1, 2])
def test_older_startups_are_read_with_an_email_and_with_the_fields_of_today(version: int) -> None:
    services = {"tell": 1}
    base = [
        f"startup-req-{version}",
        5,
        "Harbour",
        0,
        "*hub",
        0,
        0,
        0,
        0,
        1,
        2,
        3,
        "a",
        "b",
        "c",
        "d",
        "e",
    ]
    plain, mailed = p.read([*base, services]), p.read([*base, "ops@a.invalid", services])
    assert plain == mailed
    assert plain.type == f"startup-req-{version}"
    today = p.read([*base, "ops@a.invalid", services, 0])
    assert isinstance(today, p.StartupReq3)
    assert today.email == "ops@a.invalid"


def test_an_answer_of_an_older_mud_where_a_user_is_has_no_idle_time() -> None:
    read = p.read(["locate-reply", 5, "Old Keep", 0, "Harbour", "ann", "Old Keep", "Bo"])
    assert isinstance(read, p.LocateReply)
    assert (read.idle, read.status) == (0, "")


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("192.0.2.1 8080", "192.0.2.1", 8080), ("192.0.2.1", "192.0.2.1", 0), ("a 99999", "a", 0), ("", "", 0)],
)  # fmt: skip
def test_an_address_in_a_list_of_routers_is_taken_apart(address: str, host: str, port: int) -> None:
    row = p.RouterRow("*hub", address)
    assert (row.host, row.port) == (host, port)


def test_a_row_says_who_is_there() -> None:
    assert KEEP.is_up
    assert not p.MudRow(0).is_up
    assert not p.MudRow(120).is_up
