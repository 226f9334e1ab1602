"""A chat server as one writes it in an evening: sixty lines of plain asyncio, and it works.

Everybody who connects says a name in the first line; every further line goes to all the others.
"""

import asyncio


class Chat:
    """Who is here, and what they say to each other."""

    def __init__(self):
        self.writers = {}

    async def handle(self, reader, writer):
        """One connection, from its first line to its last."""
        name = (await reader.readline()).decode().strip()
        if not name:
            writer.close()
            return
        self.writers[name] = writer
        await self.broadcast(name, "has come")
        try:
            async for line in reader:
                await self.broadcast(name, line.decode().strip())
        except ConnectionError:
            pass
        finally:
            del self.writers[name]
            writer.close()
            await self.broadcast(name, "has gone")

    async def broadcast(self, name, text):
        """Send a line to everybody."""
        for writer in self.writers.values():
            try:
                writer.write(f"{name}: {text}\n".encode())
                await writer.drain()
            except ConnectionError:
                pass


async def main(host="127.0.0.1", port=8888):
    """Serve until cancelled."""
    chat = Chat()
    server = await asyncio.start_server(chat.handle, host, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
