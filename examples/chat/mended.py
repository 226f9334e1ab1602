"""The same server after the simulator had its say: nobody waits for anybody, and a name has one owner."""

import asyncio

QUEUE_MAX = 200


class Guest:
    """One connection and what it is still owed."""

    def __init__(self, writer):
        self.writer = writer
        self.lines = asyncio.Queue(QUEUE_MAX)

    def tell(self, line):
        """Queue a line; one who does not read loses the connection, not the others their time."""
        try:
            self.lines.put_nowait(line)
        except asyncio.QueueFull:
            self.writer.transport.abort()

    async def write(self):
        """Write what is queued, as fast as this guest reads."""
        while True:
            self.writer.write(await self.lines.get())
            await self.writer.drain()


class Chat:
    """Who is here, and what they say to each other."""

    def __init__(self):
        self.guests = {}

    async def handle(self, reader, writer):
        """One connection, from its first line to its last."""
        guest = Guest(writer)
        name = ""
        try:
            name = (await reader.readline()).decode().strip()
            if name:
                await self.stay(name, guest, reader)
        except ConnectionError:
            pass
        finally:
            writer.close()
            if name and self.guests.get(name) is guest:
                del self.guests[name]
                self.broadcast(name, "has gone")

    async def stay(self, name, guest, reader):
        """Be here until the connection ends; whoever comes again takes the place over."""
        older = self.guests.pop(name, None)
        if older is not None:
            older.writer.transport.abort()
        self.guests[name] = guest
        self.broadcast(name, "has come")
        writing = asyncio.create_task(guest.write())
        writing.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            async for line in reader:
                self.broadcast(name, line.decode().strip())
        finally:
            writing.cancel()

    def broadcast(self, name, text):
        """Send a line to everybody."""
        for guest in self.guests.values():
            guest.tell(f"{name}: {text}\n".encode())


async def main(host="127.0.0.1", port=8888):
    """Serve until cancelled."""
    chat = Chat()
    server = await asyncio.start_server(chat.handle, host, port)
    async with server:
        await server.serve_forever()
