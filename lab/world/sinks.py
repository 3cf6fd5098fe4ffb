"""The mail servers of the outside world: provider, tickets, lists and world.

`python3 -m lab.world.sinks --state DIR [--bind-file JSON] [--tls-cert FILE --tls-key FILE]`
"""

import argparse
import asyncio
import signal
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from lab.world import behaviour, inbox
from lab.world.log import say
from lab.world.places import Endpoint, Place, WorldError, load_places
from lab.world.smtpd import MAX_MESSAGE, Session, SessionContext

TICK = 0.1
BACKLOG = 512
Running = dict[Session, "asyncio.Task[None]"]


class Door:
    """One endpoint of a place: a listener that can be shut and opened again."""

    def __init__(self, site: SessionContext, endpoint: Endpoint) -> None:
        """Keep what is needed to listen."""
        self._site = site
        self._endpoint = endpoint
        self._server: asyncio.Server | None = None
        self._running: Running = {}

    async def follow_behaviour(self) -> None:
        """Listen, or do not, as the behaviour of the place says."""
        refuses = self._site.behaviours.of(self._site.place.name).refuses(self._endpoint.family)
        if refuses and self._server is not None:
            self.shut()
        elif not refuses and self._server is None:
            await self._open()

    def shut(self) -> None:
        """Stop listening and break off the sessions, so that the place is gone for everybody."""
        if self._server is not None:
            self._server.close()
            self._server = None
            say(f"{self._label()}: shut")
        for session in self._running:
            session.abort()

    def end(self) -> list["asyncio.Task[None]"]:
        """Stop listening for good; return the sessions that are ending."""
        self.shut()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        return tasks

    def sweep(self) -> None:
        """Look after the sessions: which 250s arrived, which sessions are dead."""
        now = time.monotonic()
        for session, task in list(self._running.items()):
            session.replies.look(now)
            if session.idle(now):
                task.cancel()

    async def _open(self) -> None:
        sock = _listening_socket(self._endpoint)
        self._server = await asyncio.start_server(self._serve, sock=sock, limit=MAX_MESSAGE, backlog=BACKLOG)
        say(f"{self._label()}: listening")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self._site, self._endpoint.family, reader, writer)
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a session without a task")
        self._running[session] = task
        try:
            await session.run()
        except asyncio.CancelledError:
            # Cancelled by the sweep or at the end, never from outside: the session is simply over.
            return
        finally:
            del self._running[session]

    def _label(self) -> str:
        return f"{self._site.place.name} {self._endpoint.family} [{self._endpoint.address}]:{self._endpoint.port}"


def _listening_socket(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if endpoint.family == "v6" else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if endpoint.family == "v6":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.bind((endpoint.address, endpoint.port))
    except OSError as error:
        sock.close()
        raise WorldError(f"cannot listen on [{endpoint.address}]:{endpoint.port}: {error}") from error
    return sock


class Sinks:
    """All places together."""

    def __init__(self, places: Mapping[str, Place], state: Path, tls: ssl.SSLContext | None = None) -> None:
        """Open the inbox; nothing listens yet."""
        self.inbox = inbox.Inbox(state / inbox.FILE_NAME)
        behaviours = behaviour.BehaviourFile(state / behaviour.FILE_NAME, say)
        self._doors = [
            Door(SessionContext(place, behaviours, self.inbox, say, tls), endpoint)
            for place in places.values()
            for endpoint in place.endpoints
        ]

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set.

        Raises:
            WorldError: an address cannot be bound.
        """
        try:
            while not stop.is_set():
                await self._tick()
                await _wait(stop, TICK)
        finally:
            await asyncio.gather(*(task for door in self._doors for task in door.end()), return_exceptions=True)
            self.inbox.close()

    async def _tick(self) -> None:
        for door in self._doors:
            await door.follow_behaviour()
            door.sweep()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def _main(places: Mapping[str, Place], state: Path, tls: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Sinks(places, state, tls).serve(stop)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.world.sinks", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="directory of behaviour.json and inbox.jsonl")
    parser.add_argument("--bind-file", type=Path, help="JSON: other addresses and ports than the lab's")
    parser.add_argument("--tls-cert", type=Path, help="certificate (PEM): offer STARTTLS")
    parser.add_argument("--tls-key", type=Path, help="its key (PEM), where it is not in the same file")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the sinks until SIGTERM; return the exit code."""
    args = _arguments(argv)
    try:
        asyncio.run(_main(load_places(args.bind_file), args.state, _tls(args.tls_cert, args.tls_key)))
    except (WorldError, ssl.SSLError) as error:
        say(f"error: {error}")
        return 1
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
