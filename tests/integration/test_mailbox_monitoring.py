"""What an operator is shown of a gateway's mailboxes: what is promised exists, and says what is the case."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from holdfast.errors import StorageError
from holdfast.health import HealthStatus
from holdfast.mailbox import GatewayAddress, GatewaySettings, MailboxKey
from holdfast.mailbox import gateway as gateway_module
from holdfast.mailbox import store as mailbox_store
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.store import MIGRATIONS
from holdfast.mailbox.tls import CERTIFICATE, make_certificate, pin_of_file, server_context
from holdfast.mailbox.wire import Done, Pipe, Refused
from holdfast.resilience import CircuitState
from holdfast.server import Program
from holdfast.server.mailbox_monitoring import MAILBOX_METRICS, MAILBOX_RULES, watch_mailboxes
from holdfast.server.monitoring import Monitoring
from holdfast.storage import Database, Durability
from holdfast.world import RealWorld
from tests.support.nodes import until
from tests.support.raw_mailbox import RawClient

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    import pytest

    from holdfast.mailbox.record import Kept, Note

KEYS = [MailboxKey(bytes((number,)) * 32) for number in range(3)]
TOKEN = b"t" * 32


class Watched:
    """A gateway under observation; the loop's time is given to the alerts by hand."""

    def __init__(
        self, gateway: Gateway, database: Database, monitoring: Monitoring, address: GatewayAddress
    ) -> None:
        self.gateway = gateway
        self.database = database
        self.monitoring = monitoring
        self.address = address

    def exported(self) -> dict[str, float]:
        """Read what a scraper gets, as name and value; labels stay."""
        self.monitoring.metrics.sample()
        lines = self.monitoring.metrics.export().decode().splitlines()
        rows = (re.fullmatch(r"(\w+(?:\{.*\})?) (\S+)", line) for line in lines)
        return {row[1]: float(row[2]) for row in rows if row}

    def raised_after(self, seconds: float) -> set[str]:
        """Name the alerts that are raised when it has been so for a while."""
        now = self.monitoring.subject.now()
        self.monitoring.metrics.sample()
        self.monitoring.alerts.look(now)
        self.monitoring.alerts.look(now + seconds)
        return {rule.name for rule in self.monitoring.alerts.raised}

    async def panel(self) -> Any:
        return (await self.monitoring.panels.described())["mailboxes"]


@asynccontextmanager
async def watched(folder: Path, settings: GatewaySettings | None = None) -> AsyncIterator[Watched]:
    pem = folder / CERTIFICATE
    make_certificate(pem)
    async with Database(
        folder / "gateway.db", {"mailbox": MIGRATIONS}, durability=Durability.PROCESS_DEATH
    ) as database:
        gateway = Gateway(
            database, pin=pin_of_file(pem), tls=server_context(pem), settings=settings
        )

        def is_ready() -> bool:
            return gateway.is_open and database.breaker.state is CircuitState.CLOSED

        monitoring = Monitoring(Program(RealWorld(), is_ready=is_ready, database=database), folder)
        watch_mailboxes(monitoring, gateway)
        port = await gateway.start("127.0.0.1")
        try:
            address = GatewayAddress("127.0.0.1", port, pin_of_file(pem))
            yield Watched(gateway, database, monitoring, address)
        finally:
            await gateway.stop()


async def test_what_is_promised_is_exported_and_counts_what_happened(tmp_path: Path) -> None:
    async with watched(tmp_path) as here:
        client = await RawClient.to(here.address)
        await client.greets()
        assert isinstance(await client.asks(client.create(KEYS[0], TOKEN)), Done)
        for number in (1, 1, 2):  # the second is the first, once more
            deposit = client.deposit(KEYS[0], TOKEN, number.to_bytes(16), b"x" * 50)
            assert isinstance(await client.asks(deposit), Done)
        for asked in (client.deposit(KEYS[1], TOKEN, bytes(16)), client.subscribe(KEYS[1])):
            assert isinstance(await client.asks(asked), Refused)
        piping = await RawClient.to(here.address)
        assert isinstance(await piping.asks(Pipe(1, b"p" * 32)), Refused)
        liar = await RawClient.to(here.address)
        liar.writer.write(b"\x00\x00\x00\x01\xff")
        assert await liar.hears_all()

        found = here.exported()
        names = {name.split("{")[0] for name in found}
        assert {each.name for each in MAILBOX_METRICS} <= names
        assert {rule.metric for rule in MAILBOX_RULES} <= names
        for name, expected in {
            "mailbox_ready": 1,
            "mailbox_mailboxes": 1,
            "mailbox_envelopes": 2,
            "mailbox_kept_bytes": 100,
            "mailbox_deposited_total": 2,
            "mailbox_repeated_total": 1,
            'mailbox_refused_total{code="mailbox_unknown"}': 2,
            'mailbox_pipes_refused_total{code="pipe_refused"}': 1,
            'mailbox_connections_cut_total{reason="malformed"}': 1,
            "mailbox_connections_accepted_total": 3,
        }.items():
            assert found[name] == expected, name
        assert found["holdfast_commit_seconds_count"] >= 3, "the store's latency is measured"

        panel = await here.panel()
        assert panel["error"] == ""
        assert panel["figures"]["Envelopes kept"] == 2
        assert panel["figures"]["Kept"] == "100\N{NO-BREAK SPACE}B"
        assert panel["figures"]["Store, 95 of 100 within"].endswith("ms")
        assert ["mailbox unknown", 2] in panel["tables"][0]["rows"]
        assert ["pipe: pipe refused", 1] in panel["tables"][0]["rows"]
        for each in (client, piping, liar):
            await each.close()


async def test_an_idle_gateway_is_healthy_and_raises_nothing(tmp_path: Path) -> None:
    async with watched(tmp_path) as here:
        assert not {rule.name for rule in MAILBOX_RULES} & here.raised_after(3600)
        found = await here.monitoring.health.get_overall_health()
        assert found.checks["mailboxes"].status is HealthStatus.HEALTHY
        assert (await here.panel())["tables"][0]["rows"] == []


async def test_a_gateway_whose_disk_has_failed_is_not_ready_until_it_takes_something_again(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as here:
        here.database.breaker.force_open()
        client = await RawClient.to(here.address)
        await client.greets()
        refused = await client.asks(client.create(KEYS[0], TOKEN))
        assert isinstance(refused, Refused)
        assert refused.retry_ms > 0
        found = here.exported()
        assert found["mailbox_ready"] == 0
        assert found["mailbox_not_written_total"] >= 1
        assert {"GatewayNotReady"} <= here.raised_after(11)
        here.database.breaker.reset()
        assert here.exported()["mailbox_ready"] == 1
        await client.close()


async def test_a_disk_that_failed_is_looked_at_again_though_nobody_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_well, tries, submit = False, 0, mailbox_store.submit

    def failing(database: Database, notes: Sequence[Note]) -> asyncio.Future[list[Kept]]:
        nonlocal tries
        tries += 1
        if not is_well:
            raise StorageError("The disk fails.", retry_after=1.0)
        return submit(database, notes)

    monkeypatch.setattr(mailbox_store, "submit", failing)
    monkeypatch.setattr(gateway_module, "AGAIN", 0.02)
    written: list[float] = []
    async with watched(tmp_path) as here:
        here.gateway.on_commit(written.append)
        await until(lambda: tries >= 3)
        assert not written
        is_well = True
        await until(lambda: written)


async def test_a_gateway_that_is_nearly_full_says_of_what(tmp_path: Path) -> None:
    async with watched(tmp_path, GatewaySettings(mailboxes_max=2)) as here:
        client = await RawClient.to(here.address)
        await client.greets()
        for key in KEYS[:2]:
            assert isinstance(await client.asks(client.create(key, TOKEN)), Done)
        assert here.exported()['mailbox_used_share{of="mailboxes"}'] == 1
        assert "GatewayAlmostFull" in here.raised_after(61)
        found = (await here.monitoring.health.get_overall_health()).checks["mailboxes"]
        assert found.status is HealthStatus.DEGRADED
        assert "mailboxes" in found.message
        await client.close()


async def test_one_that_ends_is_not_ready(tmp_path: Path) -> None:
    async with watched(tmp_path) as here:
        await until(lambda: here.monitoring.subject.is_ready)
        await here.gateway.stop()
        assert here.exported()["mailbox_ready"] == 0
