#!/usr/bin/env python3
"""A long line on this machine: what connects to it reaches another port later, and no faster than so much.

    delay.py PORT MILLISECONDS MBIT

MILLISECONDS is a journey there and back. All connections share the line, each way by itself; nothing
is lost or changes places. What the line cannot take yet waits with its sender, behind a short queue. Says
which port it listens on.
"""

import asyncio
import collections
import contextlib
import sys

# What waits before the line, in journeys: routers have about so much room.
QUEUE = 0.25


class Way:
    """One direction, for everybody."""

    def __init__(self, loop, seconds, rate):
        self.loop, self.seconds, self.rate = loop, seconds, rate
        self.room = 2 * seconds * QUEUE
        self.busy_until = 0.0

    def carry(self, size):
        """When so many bytes are at the other end."""
        self.busy_until = max(self.busy_until, self.loop.time()) + size / self.rate
        return self.busy_until + self.seconds

    def queue(self):
        return self.busy_until - self.loop.time()


class End(asyncio.Protocol):
    """One end of a connection; what comes in leaves by the other."""

    def __init__(self, way):
        self.way, self.other, self.transport = way, None, None
        self.travelling = collections.deque()
        self.timer, self.other_is_full = None, False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.travelling.append((self.way.carry(len(data)), data))
        self.deliver()
        if self.way.queue() > self.way.room:
            self.transport.pause_reading()
            self.way.loop.call_later(self.way.queue() - self.way.room / 2, self.go_on)

    def go_on(self):
        if self.transport.is_closing():
            return
        if self.way.queue() > self.way.room:
            self.way.loop.call_later(self.way.queue() - self.way.room / 2, self.go_on)
        else:
            self.transport.resume_reading()

    def deliver(self):
        """Hands over what has arrived, and comes again for the rest."""
        if self.timer:
            self.timer.cancel()
            self.timer = None
        now = self.way.loop.time()
        while self.travelling and not self.other_is_full:
            due, data = self.travelling[0]
            if due > now:
                self.timer = self.way.loop.call_at(due, self.deliver)
                return
            self.travelling.popleft()
            if self.other.transport.is_closing():
                self.travelling.clear()
            elif data:
                self.other.transport.write(data)
            else:
                with contextlib.suppress(OSError):
                    # It may have gone meanwhile.
                    self.other.transport.write_eof()

    def pause_writing(self):
        self.other.other_is_full = True

    def resume_writing(self):
        self.other.other_is_full = False
        self.other.deliver()

    def eof_received(self):
        self.travelling.append((self.way.carry(0), b""))
        self.deliver()
        return True

    def connection_lost(self, _):
        # What is still on its way arrives; nobody is left to answer.
        self.way.loop.call_later(self.way.seconds + max(self.way.queue(), 0), self.other.close)

    def close(self):
        if self.transport:
            self.transport.close()


async def main(port, milliseconds, mbit):
    loop = asyncio.get_running_loop()
    seconds, rate = milliseconds / 2000, mbit * 1e6 / 8
    there, back = Way(loop, seconds, rate), Way(loop, seconds, rate)
    connecting = set()

    class Client(End):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()
            task = loop.create_task(self.connect())
            connecting.add(task)
            task.add_done_callback(connecting.discard)

        async def connect(self):
            # A connection is there after one journey.
            await asyncio.sleep(2 * seconds)
            try:
                _, self.other = await loop.create_connection(lambda: End(back), "127.0.0.1", port)
            except OSError:
                return self.transport.abort()
            self.other.other = self
            self.transport.resume_reading()

        def connection_lost(self, why):
            if self.other:
                super().connection_lost(why)

    server = await loop.create_server(lambda: Client(there), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
