"""Slow links on loopback, for where there is no root or no network namespace:
a TCP relay before each daemon that lets bytes through late and at a rate. The
delay is drawn anew for each piece of each connection in each direction, and
pieces keep their order, as on a wire."""
import asyncio
import random
import threading

PIECE = 64 << 10


class Way:
    """One direction of one connection."""

    def __init__(self, links, seed):
        self.links = links
        self.random = random.Random(seed)
        self.free_at = 0.0  # when the wire has carried all before
        self.last_due = 0.0
        self.pieces = asyncio.Queue(256)

    def due(self, now, size):
        sent = max(self.free_at, now)
        if self.links.bytes_per_s:
            sent += size / self.links.bytes_per_s
        self.free_at = sent
        self.last_due = max(self.last_due,
                            sent + self.random.uniform(*self.links.delay_s))
        return self.last_due

    async def take(self, reader):
        loop = asyncio.get_running_loop()
        while True:
            data = await reader.read(PIECE)
            await self.pieces.put((self.due(loop.time(), len(data)), data))
            if not data:
                return

    async def give(self, writer):
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self.pieces.get()
            wait = due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            if not data:
                return
            writer.write(data)
            await writer.drain()


class SlowLinks:
    """A context manager; before(port) gives the port to dial instead. Delay
    (seconds from .. to) and rate may be changed while it runs."""

    def __init__(self, delay_s=(0.0, 0.0), bytes_per_s=None, seed=1):
        self.delay_s = delay_s
        self.bytes_per_s = bytes_per_s
        self.seed = seed
        self.servers = []
        self.tasks = set()

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever,
                                       daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _end(self):
        for server in self.servers:
            server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def before(self, port):
        return asyncio.run_coroutine_threadsafe(self._listen(port),
                                                self.loop).result(10)

    async def _listen(self, port):
        async def on_connection(reader, writer):
            task = asyncio.current_task()
            self.tasks.add(task)
            try:
                await self._relay(reader, writer, port)
            except (OSError, asyncio.CancelledError):
                pass
            finally:
                writer.transport.abort()
                self.tasks.discard(task)

        server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
        self.servers.append(server)
        return server.sockets[0].getsockname()[1]

    async def _relay(self, reader, writer, port):
        """Until either end closes; then both do."""
        there, here = await asyncio.open_connection("127.0.0.1", port)
        self.seed += 2
        forth = Way(self, self.seed)
        back = Way(self, self.seed + 1)
        jobs = [asyncio.ensure_future(job) for job in (
            forth.take(reader), forth.give(here), back.take(there),
            back.give(writer))]
        try:
            await asyncio.wait([jobs[1], jobs[3]],
                               return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            here.transport.abort()
