"""A chat room on FastAPI whose members lose nothing when their connections break.

Run it with any ASGI server: ``uvicorn examples.fastapi_chat:app``.
"""

from contextlib import asynccontextmanager

import msgspec
from fastapi import FastAPI

from holdfast import Hub
from holdfast.server import HubASGI
from holdfast.session import HubRunner


class Chat:
    name, migrations, said = "chat", (), []

    async def load(self, hub): ...
    def open(self, tx, session, auth, handshake):
        tx.join(session, "room")

    def snapshot(self, session, channel):
        return {"said": self.said[-50:]}

    def presence(self, tx, session, state): ...

    def message(self, tx, session, body):
        self.said.append(msgspec.json.decode(body, type=str))
        tx.publish("room", self.said[-1])


hub = Hub(Chat())


@asynccontextmanager
async def lifespan(app):
    async with HubRunner(hub):
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/ws", HubASGI(hub))
