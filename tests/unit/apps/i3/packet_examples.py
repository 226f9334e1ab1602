"""One packet of every type with its bytes, written by hand after the tables of the protocol, not by the code.

``FRAMES`` are those whose length is known from elsewhere as well; ``BODIES`` go without it.
"""

from __future__ import annotations

from holdfast.apps.i3 import packets as p

HEAD = {"from_mud": "Harbour", "from_user": "ann"}
TO_BO = {**HEAD, "to_mud": "Old Keep", "to_user": "bo"}
TO_ANN = {"from_mud": "Old Keep", "to_mud": "Harbour", "to_user": "ann"}
FROM_HUB = {"from_mud": "*hub", "to_mud": "Harbour"}
TO_HUB = {**HEAD, "to_mud": "*hub"}
TELL = ["tell", 5, "Harbour", "ann", "Nowhere", "bo", "Ann", "x"]
LINE = ["channel-m", 5, "Old Keep", "bo", 0, 0, "quiet", "Bo", "rude word"]
STARTUP = {
    "from_mud": "Harbour", "to_mud": "*hub", "password": 0, "mudlist_id": 0, "chanlist_id": 0, "player_port": 4000,
    "oob_tcp_port": 0, "oob_udp_port": 0, "mudlib": "holdfast 0.1", "base_mudlib": "holdfast 0.1",
    "driver": "holdfast 0.1", "mud_type": "gateway", "open_status": "open for public",
    "services": {"tell": 1, "who": 1, "channel": 1},
}  # fmt: skip
KEEP = p.MudRow(
    -1, "192.0.2.10", 4000, 4008, 0, "Lib 3.8", "Base 3.8", "FluffOS", "LP", "open for public", "ops@a.invalid",
    {"tell": 1, "who": 1, "channel": 1}, 0,
)  # fmt: skip

FRAMES: dict[str, tuple[p.Packet | p.OobPacket, int, bytes]] = {
    "E1": (p.StartupReq3(**STARTUP, email="ops@a.invalid", other=0), 0xB8,
           b'({"startup-req-3",5,"Harbour",0,"*hub",0,0,0,0,4000,0,0,"holdfast 0.1","holdfast 0.1","holdfast 0.1",'
           b'"gateway","open for public","ops@a.invalid",(["tell":1,"who":1,"channel":1,]),0,})'),
    "E2": (p.StartupReply(**FROM_HUB, routers=(p.RouterRow("*hub", "192.0.2.1 8080"),), password=172556104), 0x58,
           b'({"startup-reply",5,"*hub",0,"Harbour",0,({({"*hub","192.0.2.1 8080",}),}),172556104,})'),
    "E3": (p.Mudlist(**FROM_HUB, id=41, muds={"Old Keep": KEEP, "Gone Away": None}), 0xD2,
           b'({"mudlist",5,"*hub",0,"Harbour",0,41,(["Old Keep":({-1,"192.0.2.10",4000,4008,0,"Lib 3.8","Base 3.8",'
           b'"FluffOS","LP","open for public","ops@a.invalid",(["tell":1,"who":1,"channel":1,]),0,}),'
           b'"Gone Away":0,]),})'),
    "E4": (p.ChanlistReply(**FROM_HUB, id=9, channels={
               "ale": p.ChannelRow("Old Keep", 0), "quiet": p.ChannelRow("Harbour", 2), "stale": None}), 0x6F,
           b'({"chanlist-reply",5,"*hub",0,"Harbour",0,9,'
           b'(["ale":({"Old Keep",0,}),"quiet":({"Harbour",2,}),"stale":0,]),})'),
    "E5": (p.Tell(**TO_BO, visname="Ann", text='say "hi" to C:\\ drive'), 0x4F,
           rb'({"tell",5,"Harbour","ann","Old Keep","bo","Ann","say \"hi\" to C:\\ drive",})'),
    "E6": (p.Tell(**TO_BO, visname="Ann", text="one\ntwo"), 0x3E,
           b'({"tell",5,"Harbour","ann","Old Keep","bo","Ann","one\x0dtwo",})'),
    "E7": (p.ChannelMessage(**HEAD, channel="ale", visname="Ann", text="caf\u00e9"), 0x3B,
           b'({"channel-m",5,"Harbour","ann",0,0,"ale","Ann","caf\xc3\xa9",})'),
    "E8": (p.ChannelTarget(**HEAD, channel="ale", target_mud="Old Keep", target_user="bo", text="$N waves to $O.",
                           target_text="$N waves to you.", visname="Ann", target_visname="Bo"), 0x6D,
           b'({"channel-t",5,"Harbour","ann",0,0,"ale","Old Keep","bo","$N waves to $O.","$N waves to you.",'
           b'"Ann","Bo",})'),
    "E9": (p.WhoReply(**TO_ANN, rows=(p.WhoRow("Bo", 12, "Bo the bold"), p.WhoRow("Cy", 0, ""))), 0x5F,
           b'({"who-reply",5,"Old Keep",0,"Harbour","ann",({({"Bo",12,"Bo the bold",}),({"Cy",0,"",}),}),})'),
    "E10": (p.WhoReply(**TO_ANN, rows=()), 0x35,
            b'({"who-reply",5,"Old Keep",0,"Harbour","ann",({}),})'),
    "E11": (p.LocateReply(**TO_ANN, located_mud="Old Keep", located_visname="Bo", idle=75, status="editing, inactive"),
            0x5A, b'({"locate-reply",5,"Old Keep",0,"Harbour","ann","Old Keep","Bo",75,"editing, inactive",})'),
    "E12": (p.ErrorPacket(**FROM_HUB, to_user="ann", code="unk-dst", message="no such mud", packet=TELL), 0x77,
            b'({"error",5,"*hub",0,"Harbour","ann","unk-dst","no such mud",'
            b'({"tell",5,"Harbour","ann","Nowhere","bo","Ann","x",}),})'),
    "E13": (p.ChannelAdmin(**TO_HUB, channel="quiet", added=("Old Keep",), removed=()), 0x4D,
            b'({"channel-admin",5,"Harbour","ann","*hub",0,"quiet",({"Old Keep",}),({}),})'),
    "E14": (p.ChanFilterReq(**FROM_HUB, channel="quiet", packet=LINE), 0x76,
            b'({"chan-filter-req",5,"*hub",0,"Harbour",0,"quiet",'
            b'({"channel-m",5,"Old Keep","bo",0,0,"quiet","Bo","rude word",}),})'),
    "E15": (p.AuthMudReply(from_mud="Old Keep", to_mud="Harbour", token=42789), 0x37,
            b'({"auth-mud-reply",5,"Old Keep",0,"Harbour",0,42789,})'),
    "E16": (p.OobBegin(mud="Harbour", auth=1, token=42789), 0x23, b'({"oob-begin","Harbour",1,42789,})'),
    "E17": (p.Mail(id=7, from_user="ann", to={"Old Keep": ("bo", "cy")}, cc={}, bcc=(), time=1700000000,
                   subject="Hello", body="First line.\nSecond line."), 0x6B,
            b'({"mail",7,"ann",(["Old Keep":({"bo","cy",}),]),([]),({}),1700000000,"Hello",'
            b'"First line.\x0dSecond line.",})'),
    "E18": (p.Shutdown(from_mud="Harbour", to_mud="*hub", restart_delay=60), 0x2A,
            b'({"shutdown",5,"Harbour",0,"*hub",0,60,})'),
}  # fmt: skip

BODIES: list[tuple[p.Packet | p.OobPacket, bytes]] = [
    (p.EmoteTo(**TO_BO, visname="Ann", text="$N bows."),
     b'({"emoteto",5,"Harbour","ann","Old Keep","bo","Ann","$N bows.",})'),
    (p.Beep(**TO_BO, visname=""), b'({"beep",5,"Harbour","ann","Old Keep","bo",0,})'),
    (p.WhoReq(**HEAD, to_mud="Old Keep"), b'({"who-req",5,"Harbour","ann","Old Keep",0,})'),
    (p.FingerReq(**HEAD, to_mud="Old Keep", user="bo"), b'({"finger-req",5,"Harbour","ann","Old Keep",0,"bo",})'),
    (p.FingerReply(**TO_ANN, visname="Bo", title="Bo the bold", real_name="", email="", login_time="Mon 4 May",
                   idle=-1, ip_name="", level="12", extra="a\nb"),
     b'({"finger-reply",5,"Old Keep",0,"Harbour","ann","Bo","Bo the bold",0,0,"Mon 4 May",-1,0,"12","a\x0db",})'),
    (p.LocateReq(**HEAD, user="bo"), b'({"locate-req",5,"Harbour","ann",0,0,"bo",})'),
    (p.ChanUserReq(from_mud="Harbour", to_mud="Old Keep", user="bo"),
     b'({"chan-user-req",5,"Harbour",0,"Old Keep",0,"bo",})'),
    (p.ChanUserReply(from_mud="Old Keep", to_mud="Harbour", user="bo", visname="Bo", gender=2),
     b'({"chan-user-reply",5,"Old Keep",0,"Harbour",0,"bo","Bo",2,})'),
    (p.UcacheUpdate(from_mud="Harbour", user="ann", visname="Ann", gender=1),
     b'({"ucache-update",5,"Harbour",0,0,0,"ann","Ann",1,})'),
    (p.AuthMudReq(from_mud="Harbour", to_mud="Old Keep"), b'({"auth-mud-req",5,"Harbour",0,"Old Keep",0,})'),
    (p.OobReq(from_mud="Harbour", to_mud="Old Keep"), b'({"oob-req",5,"Harbour",0,"Old Keep",0,})'),
    (p.PingReq(from_mud="Harbour", to_mud="Old Keep", token=17), b'({"ping-req",5,"Harbour",0,"Old Keep",0,17,})'),
    (p.PingReply(from_mud="Old Keep", to_mud="Harbour", token=17),
     b'({"ping-reply",5,"Old Keep",0,"Harbour",0,17,})'),
    (p.ChannelEmote(**HEAD, channel="ale", visname="Ann", text="$N drinks."),
     b'({"channel-e",5,"Harbour","ann",0,0,"ale","Ann","$N drinks.",})'),
    (p.ChannelListen(from_mud="Harbour", to_mud="*hub", channel="ale", is_on=1),
     b'({"channel-listen",5,"Harbour",0,"*hub",0,"ale",1,})'),
    (p.ChannelAdd(**TO_HUB, channel="quiet", kind=2), b'({"channel-add",5,"Harbour","ann","*hub",0,"quiet",2,})'),
    (p.ChannelRemove(**TO_HUB, channel="quiet"), b'({"channel-remove",5,"Harbour","ann","*hub",0,"quiet",})'),
    (p.ChanFilterReply(from_mud="Harbour", to_mud="*hub", channel="quiet", packet=LINE),
     b'({"chan-filter-reply",5,"Harbour",0,"*hub",0,"quiet",'
     b'({"channel-m",5,"Old Keep","bo",0,0,"quiet","Bo","rude word",}),})'),
    (p.ChanWhoReq(**HEAD, to_mud="Old Keep", channel="ale"),
     b'({"chan-who-req",5,"Harbour","ann","Old Keep",0,"ale",})'),
    (p.ChanWhoReply(**TO_ANN, channel="ale", visnames=("Bo", "Cy")),
     b'({"chan-who-reply",5,"Old Keep",0,"Harbour","ann","ale",({"Bo","Cy",}),})'),
    (p.ChanlistReq(from_mud="Harbour", to_mud="*hub"), b'({"chanlist-req",5,"Harbour",0,"*hub",0,})'),
    (p.ChanAck(**FROM_HUB, to_user="ann", text="made"), b'({"chan-ack",5,"*hub",0,"Harbour","ann","made",})'),
    (p.ChanAdminlist(**TO_HUB, channel="quiet"), b'({"chan-adminlist",5,"Harbour","ann","*hub",0,"quiet",})'),
    (p.ChanAdminlistReply(**FROM_HUB, to_user="ann", channel="quiet", muds=("Old Keep",)),
     b'({"chan-adminlist-reply",5,"*hub",0,"Harbour","ann","quiet",({"Old Keep",}),})'),
    (p.StartupReq2(**STARTUP),
     b'({"startup-req-2",5,"Harbour",0,"*hub",0,0,0,0,4000,0,0,"holdfast 0.1","holdfast 0.1","holdfast 0.1",'
     b'"gateway","open for public",(["tell":1,"who":1,"channel":1,]),})'),
    (p.StartupReq1(**STARTUP),
     b'({"startup-req-1",5,"Harbour",0,"*hub",0,0,0,0,4000,0,0,"holdfast 0.1","holdfast 0.1","holdfast 0.1",'
     b'"gateway","open for public",(["tell":1,"who":1,"channel":1,]),})'),
    (p.RouterShutdown(**FROM_HUB, restart_delay=30), b'({"router-shutdown",5,"*hub",0,"Harbour",0,30,})'),
    (p.IrnStartupReq(from_mud="*hub", to_mud="*two", passwords={"client_password": 0, "server_password": 4}),
     b'({"irn-startup-req",5,"*hub",0,"*two",0,(["client_password":0,"server_password":4,]),})'),
    (p.IrnMudlistDelta(from_mud="*hub", to_mud="*two", time=1700000000, muds={"Old Keep": {"state": -1}}),
     b'({"irn-mudlist-delta",5,"*hub",0,"*two",0,1700000000,(["Old Keep":(["state":-1,]),]),})'),
    (p.IrnMudlistAltered(from_mud="*hub", to_mud="*two", time=1700000000, muds={"Old Keep": 0}),
     b'({"irn-mudlist-altered",5,"*hub",0,"*two",0,1700000000,(["Old Keep":0,]),})'),
    (p.IrnChanlistDelta(from_mud="*hub", to_mud="*two", time=1700000000, channels={"ale": {"host": "Old Keep"}}),
     b'({"irn-chanlist-delta",5,"*hub",0,"*two",0,1700000000,(["ale":(["host":"Old Keep",]),]),})'),
    (p.IrnChanlistAltered(from_mud="*hub", to_mud="*two", time=1700000000, channels={}),
     b'({"irn-chanlist-altered",5,"*hub",0,"*two",0,1700000000,([]),})'),
    (p.IrnMudlistReq(from_mud="*hub", to_mud="*two"), b'({"irn-mudlist-req",5,"*hub",0,"*two",0,})'),
    (p.IrnChanlistReq(from_mud="*hub", to_mud="*two"), b'({"irn-chanlist-req",5,"*hub",0,"*two",0,})'),
    (p.IrnData(from_mud="*hub", to_mud="*two", packet=TELL),
     b'({"irn-data",5,"*hub",0,"*two",0,({"tell",5,"Harbour","ann","Nowhere","bo","Ann","x",}),})'),
    (p.IrnPing(from_mud="*hub", to_mud="*two", first=3, second=4), b'({"irn-ping",5,"*hub",0,"*two",0,3,4,})'),
    (p.IrnShutdown(from_mud="*hub", to_mud="*two"), b'({"irn-shutdown",5,"*hub",0,"*two",0,})'),
    (p.NewsReadReq(**HEAD, to_mud="Old Keep", group="lpc", id=3),
     b'({"news-read-req",5,"Harbour","ann","Old Keep",0,"lpc",3,})'),
    (p.OobEnd(mud="Harbour"), b'({"oob-end","Harbour",})'),
    (p.OobError(code="bad-proto", message="begin first", packet=None), b'({"oob-error","bad-proto","begin first",0,})'),
    (p.MailAck(failed={7: ("cy",), 8: ()}), b'({"mail-ack",([7:({"cy",}),8:({}),]),})'),
    (p.FileListReq(mud="Harbour", user="ann", directory=""), b'({"file-list-req","Harbour","ann",0,})'),
    (p.FileListReply(user="ann", files=(p.FileRow("a.txt", 12, 1700000000),)),
     b'({"file-list-reply","ann",({({"a.txt",12,1700000000,}),}),})'),
    (p.FilePut(id=1, mud="Harbour", user="ann", name="a.txt", contents="one\n"),
     b'({"file-put",1,"Harbour","ann","a.txt","one\x0d",})'),
    (p.FilePutAck(id=1, result=p.FileResult.NOT_WRITABLE), b'({"file-put-ack",1,-3,})'),
    (p.FileGetReq(id="x", mud="Harbour", user="ann", name="a.txt"), b'({"file-get-req","x","Harbour","ann","a.txt",})'),
    (p.FileGetReply(id="x", result=p.FileResult.DONE, contents="one\n"), b'({"file-get-reply","x",1,"one\x0d",})'),
    (p.NewsPostReq(mud="Harbour", port=4000, group="lpc", thread=0, subject="Hello", poster="Ann", text="hi"),
     b'({"news-post-req","Harbour",4000,"lpc",0,"Hello","Ann","hi",})'),
    (p.NewsGrplistReq(), b'({"news-grplist-req",})'),
]  # fmt: skip
