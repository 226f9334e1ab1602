"""Puts a node of agents together: keys, store, node, agents, the way for commands, health over HTTP."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from holdfast.apps.agents import MIGRATIONS, AgentCode, AgentError, AgentHost
from holdfast.apps.agents.control import AcceptWish, CallWish, Control, InviteWish, ListWish
from holdfast.apps.agents.node_transport import NodeTransport
from holdfast.apps.agents.watch import Watch
from holdfast.crypto import Keystore
from holdfast.node import ContactState, Node
from holdfast.node.store import NODE_MIGRATIONS
from holdfast.ops import ShutdownManager
from holdfast.server import Program, build_app, inherited, listen, loop_factory, serve
from holdfast.server.admin import Admin, admin_routes
from holdfast.server.admin_access import AdminAccess
from holdfast.server.monitoring import Monitoring
from holdfast.storage import Database
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from holdfast.apps.agents.config import Configuration
    from holdfast.apps.agents.control import Wish
    from holdfast.apps.agents.report import NodeReport
    from holdfast.ops import RecentLog

DATABASE: Final = "node.db"
KEYS: Final = "node.key"
PASSPHRASE: Final = "HOLDFAST_AGENT_PASSPHRASE"  # noqa: S105 - the name of a variable, not its value


def run(configuration: Configuration, recent: RecentLog | None = None) -> None:
    """Be a node until a signal.

    Raises:
        ResilienceError: the keys, the folder, the address or an agent cannot be used.
    """
    with asyncio.Runner(loop_factory=loop_factory("auto")) as runner:
        runner.run(_run(configuration, recent))


async def _run(configuration: Configuration, recent: RecentLog | None) -> None:
    agents = configuration.agents()
    address = configuration.health
    listener = None if address is None else inherited() or listen(*address)
    world, shutdown, data = RealWorld(), ShutdownManager(), configuration.data
    async with AsyncExitStack() as stack:
        tables = {**NODE_MIGRATIONS, "agents": MIGRATIONS}
        database = await stack.enter_async_context(Database(data / DATABASE, tables))
        keystore = Keystore.open(data / KEYS, os.environ.get(PASSPHRASE), world=world)
        node = Node(database, keystore, configuration.node_settings(), world=world)
        await stack.enter_async_context(node)
        if not node.identities:
            await node.create_identity(configuration.node.name)
        transport = await stack.enter_async_context(NodeTransport(node, world))
        host = AgentHost(transport, database, world=world)
        for name, handler, settings in agents:
            host.register(name, handler, settings)
        await stack.enter_async_context(host)
        watch = Watch(host)
        await stack.enter_async_context(Control(data, Commands(node, host, watch).act))
        if listener is None:
            await stack.enter_async_context(shutdown)
            _announce(configuration, None)
            await shutdown.requested.wait()
            return
        subject = Program(world, is_ready=lambda: True, database=database)
        monitoring = await stack.enter_async_context(Monitoring(subject, data, recent=recent))
        monitoring.supervisor.start("agents' peers", watch.live)
        watch.register(monitoring.health)
        monitoring.add_panel("agents", lambda: _panel(host, watch))
        access = AdminAccess(data, world)
        admin = Admin(monitoring, shutdown=shutdown.statistics, is_demo=False)
        host_name, port = listener.getsockname()[:2]
        url = f"http://{f'[{host_name}]' if ':' in host_name else host_name}:{port}"

        async def nobody() -> None:
            """There are no clients to let go of."""

        await serve(
            build_app(
                subject,
                admin_routes(admin, access),
                {"admin": "admin.html"},
                monitoring=monitoring,
            ),
            listener,
            ws=None,
            tell_clients=nobody,
            on_ready=lambda: _announce(configuration, url, access.new_token),
            shutdown=shutdown,
        )


def _announce(configuration: Configuration, url: str | None, new_token: str | None = None) -> None:
    print(f"The node {configuration.node.name!r} is ready.")
    print(f"  Agents                     {', '.join(configuration.node.agents) or 'none'}")
    if url is not None:
        print(f"  Health                     {url}/health")
        print(f"  Dashboard                  {url}/admin")
    if new_token is not None:
        print(f"  Its token, shown only now  {new_token}")
    print(f"  Data                       {configuration.data}")
    print("Ctrl-C ends it.", flush=True)


class Commands:
    """What commands ask of a running node.

    Args:
        node: its contacts.
        host: its agents.
        watch: of its peers.
    """

    def __init__(self, node: Node, host: AgentHost, watch: Watch) -> None:
        self._node = node
        self._host = host
        self._watch = watch

    async def act(self, wish: Wish) -> object:
        """Do what is wished; raises ``ResilienceError``."""
        match wish:
            case CallWish():
                return await self._host.call(
                    wish.address, wish.body, timeout=wish.seconds, id=wish.id
                )
            case ListWish():
                return await self._list(wish)
            case InviteWish():
                self._check_free(wish.name)
                made = await self._node.invite(self._node.identities[0].id, name=wish.name)
                return {"link": made.link}
            case AcceptWish():
                self._check_free(wish.name)
                await self._node.accept(self._node.identities[0].id, wish.link, wish.name)
                return {"peer": wish.name}

    def _check_free(self, name: str) -> None:
        if any(contact.name == name for contact in self._node.contacts):
            raise AgentError(
                AgentCode.ADDRESS_INVALID,
                f"A peer is called {name!r} already; choose another name.",
            )

    async def _list(self, wish: ListWish) -> object:
        looks = await self._watch.look(wish.seconds)
        peers = [
            {
                "peer": name,
                "problem": look.problem,
                "seconds": round(look.seconds, 3),
                "agents": [] if look.report is None else _rows(look.report),
            }
            for name, look in looks.items()
        ]
        invited = [c.name for c in self._node.contacts if c.state is ContactState.INVITED]
        return {"agents": _rows(await self._host.report("")), "peers": peers, "invited": invited}


def _rows(report: NodeReport) -> list[dict[str, object]]:
    return [
        {
            "name": each.name,
            "state": each.state,
            "problem": each.problem,
            "description": each.description,
            "active": each.active,
            "waiting": each.waiting,
        }
        for each in report.agents
    ]


def _panel(host: AgentHost, watch: Watch) -> dict[str, object]:
    """A section of the dashboard: the agents here, and the peers."""
    return {
        "title": "Agents",
        "figures": {"agents": len(host.agents), "peers": len(host.peers())},
        "tables": [
            {
                "title": "Agents of this node",
                "columns": ["agent", "state", "running", "waiting", "problem"],
                "rows": [
                    [a.name, a.state, a.bulkhead.active, a.bulkhead.waiting, a.problem]
                    for a in host.agents.values()
                ],
                "empty": "No agent lives here.",
            },
            {
                "title": "Peers",
                "columns": ["peer", "breaker", "last answer", "problem"],
                "rows": [
                    [
                        peer,
                        host.breakers.get(peer).state.value,
                        "" if look.report is None else f"{look.seconds:.2f} s",
                        look.problem,
                    ]
                    for peer, look in watch.looks.items()
                ],
                "empty": "This node has met nobody.",
            },
        ],
    }
