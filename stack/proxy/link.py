"""The moving part of a proxy: accepts, connects, pumps bytes both ways through whatever toxics are set."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from stack.home import listen
from stack.proxy.toxics import Backend, Toxics, choose

CHUNK = 64 * 1024
SOCKET_BUFFER = 64 * 1024
"""Small on purpose: a slow reader must be felt by who writes."""
CONNECT_TIMEOUT_S = 3.0
LOOK_S = 0.5
"""How often a waiting pump looks whether its source still lives."""
TCP_CLOSE = 7
"""State of a connection that was reset, from the kernel's tcp_states.h."""


@dataclass(slots=True)
class Link:
    """One listening port with its backends. Toxics may change at any time and hold for open connections too."""

    port: int
    backends: tuple[Backend, ...]
    toxics: Toxics = field(default_factory=Toxics)
    random: Random = field(default_factory=Random)
    connections: int = 0
    accepted: int = 0
    failed: int = 0
    bytes_passed: int = 0
    _server: asyncio.Server | None = None
    _pairs: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        """Listen unless refusing. Raises OSError when the port is taken."""
        if self.toxics.refuse or self._server is not None:
            return
        sock = listen(self.port)
        if sock is None:
            raise OSError(f"port {self.port} is taken")
        # Inherited by accepted sockets.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        self._server = await asyncio.start_server(self._accepted, sock=sock, limit=CHUNK)

    async def close(self) -> None:
        """Stop listening and cut everything."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    def cut(self) -> None:
        """Close every open connection."""
        for task in self._pairs:
            task.cancel()

    async def set_toxics(self, toxics: Toxics) -> None:
        """Take effect now."""
        self.toxics = toxics
        self._changed.set()
        self._changed = asyncio.Event()
        if toxics.refuse:
            await self.close()
        else:
            await self.open()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        self.accepted += 1
        self.connections += 1
        try:
            await self._pair(reader, writer)
        except asyncio.CancelledError:
            pass  # cut on purpose: the connection ends here, the server goes on
        finally:
            self._pairs.discard(task)
            self.connections -= 1
            writer.close()

    async def _pair(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.toxics.reset and self.random.random() < self.toxics.reset:
            _linger_reset(writer)
            return
        if self.toxics.drop and self.random.random() < self.toxics.drop:
            return
        backend = choose(self.backends, self.random)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                far_reader, far_writer = await _connect(backend)
        except (OSError, TimeoutError):
            self.failed += 1
            _linger_reset(writer)
            return
        for end in (writer, far_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pumps = [
            asyncio.ensure_future(self._pump(reader, far_writer, writer)),
            asyncio.ensure_future(self._pump(far_reader, writer, far_writer)),
        ]
        try:
            await asyncio.gather(*pumps)
        except (OSError, EOFError):
            # One side broke off: the other hears it at once, whatever it has not read yet.
            for end in (writer, far_writer):
                _linger_reset(end)
                end.transport.abort()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            far_writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: asyncio.StreamWriter
    ) -> None:
        """One direction until its end; raises EOFError or OSError when the connection is to be cut.

        `source` is the other half of whom `reader` reads.
        """
        passed = 0
        while chunk := await reader.read(CHUNK):
            while self.toxics.blackhole:
                await self._changed.wait()
            toxics = self.toxics
            wait = toxics.delay_s(self.random) + toxics.pace_s(len(chunk))
            if wait > 0:
                await asyncio.sleep(wait)
            passed += len(chunk)
            if toxics.cut_after_bytes and passed > toxics.cut_after_bytes:
                raise EOFError
            writer.write(chunk)
            await _drained(writer, source)
            self.bytes_passed += len(chunk)
        with suppress(OSError, RuntimeError):
            writer.write_eof()


async def _connect(backend: Backend) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    family = socket.AF_INET6 if ":" in backend.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        address = await asyncio.get_running_loop().getaddrinfo(backend.host, backend.port, family=family)
        await asyncio.get_running_loop().sock_connect(sock, address[0][4])
        return await asyncio.open_connection(sock=sock, limit=CHUNK)
    except BaseException:
        sock.close()
        raise


async def _drained(writer: asyncio.StreamWriter, source: asyncio.StreamWriter) -> None:
    """Wait until the slow side took enough. Raises ConnectionResetError when the source broke off meanwhile.

    While we wait nobody reads from the source, so its end is only seen by asking the kernel.
    """
    if writer.transport.get_write_buffer_size() == 0:
        return
    draining = asyncio.ensure_future(writer.drain())
    try:
        while not (await asyncio.wait({draining}, timeout=LOOK_S))[0]:
            if _broken(source):
                raise ConnectionResetError
        draining.result()
    finally:
        draining.cancel()


def _broken(end: asyncio.StreamWriter) -> bool:
    sock = end.get_extra_info("socket")
    try:
        return sock is None or sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE
    except OSError:
        return True


def _linger_reset(writer: asyncio.StreamWriter) -> None:
    """Make the next close a TCP reset, as when nobody answers behind a link."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
