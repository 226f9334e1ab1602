"""A program without sessions on the server floor: its health, its panels, its orderly end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from holdfast.ops import ShutdownManager
from holdfast.server import Program, build_app, listen, serve
from holdfast.server.admin import Admin, admin_routes
from holdfast.server.admin_access import AdminAccess
from holdfast.server.monitoring import Monitoring
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_program_without_a_hub_is_served(tmp_path: Path) -> None:
    is_ready = False
    told: list[str] = []
    world = RealWorld()
    access = AdminAccess(tmp_path, world)
    program = Program(world, is_ready=lambda: is_ready)
    shutdown = ShutdownManager(signals=())
    started = asyncio.Event()

    async def tell_clients() -> None:
        told.append("bye")

    async with Monitoring(program, tmp_path) as monitoring:
        monitoring.add_panel("router", lambda: {"title": "Router", "figures": {"MUDs": 3}})
        admin = Admin(monitoring, shutdown=shutdown.statistics, is_demo=False)
        app = build_app(program, admin_routes(admin, access), monitoring=monitoring)
        listener = listen("127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(
            serve(
                app,
                listener,
                ws=None,
                tell_clients=tell_clients,
                on_ready=started.set,
                shutdown=shutdown,
            )
        )
        await started.wait()
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/health/live")).status_code == 200
            assert (await http.get("/health/ready")).status_code == 503
            is_ready = True
            assert (await http.get("/health/ready")).status_code == 200
            assert "holdfast_uptime_seconds" in (await http.get("/metrics")).text
            await http.post("/api/admin/sign-in", json={"token": access.new_token})
            state = (await http.get("/api/admin/state")).json()
            assert state["panels"]["router"]["figures"] == {"MUDs": 3}
            assert (await http.get("/api/admin/connections")).json()["connections"] == []
        shutdown.request("the test is over")
        async with asyncio.timeout(10):
            await serving
    assert told == ["bye"]
