"""The peer the alias generators ask: on `LIST` it answers `address target` lines and `END`, or falls silent for ever.

`python3 -m lab.world.aliaspeer --state DIR [--listen ADDRESS ...] [--port 2525]`

Reads DIR/aliases.json, `{"support@lab.test": "support@tickets.test"}`, at each question, and the entry `aliaspeer` of
DIR/behaviour.json: `{"mode": "hang", "after": 1}` sends one line and hangs; 0 hangs before the first.
"""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from lab.world.behaviour import FILE_NAME, BehaviourFile
from lab.world.log import say
from lab.world.places import WorldError

NAME = "aliaspeer"
PORT = 2525
ALIASES_FILE = "aliases.json"


class AliasPeer:
    """Answers, or hangs with the socket open, as the behaviour says at the moment of the question."""

    def __init__(self, state: Path) -> None:
        """Keep the directory; files in it are read when needed."""
        self._aliases = state / ALIASES_FILE
        self._behaviours = BehaviourFile(state / FILE_NAME, say)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client; a client that is hung on is kept until it goes, or we do."""
        peer = str((writer.get_extra_info("peername") or ("?",))[0])
        try:
            while line := await reader.readline():
                await self._answer(line.decode("ascii", "replace").strip(), peer, writer)
        except (OSError, ValueError, asyncio.CancelledError) as error:
            say(f"{NAME} {peer}: ended: {type(error).__name__}")
        finally:
            writer.close()

    async def _answer(self, question: str, peer: str, writer: asyncio.StreamWriter) -> None:
        if question.upper() != "LIST":
            writer.write(b"ERR unknown command\n")
            await writer.drain()
            return
        lines = [f"{address} {target}\n" for address, target in sorted(self._read().items())]
        behaviour = self._behaviours.of(NAME)
        hangs = behaviour.mode == "hang"
        shown = lines[: behaviour.after] if hangs else [*lines, "END\n"]
        writer.write("".join(shown).encode("ascii", "replace"))
        await writer.drain()
        say(f"{NAME} {peer}: {len(shown)} lines{', then hangs' if hangs else ''}")
        if hangs:
            await asyncio.get_running_loop().create_future()

    def _read(self) -> dict[str, str]:
        try:
            table = json.loads(self._aliases.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {str(address): str(target) for address, target in table.items()}


async def run(state: Path, addresses: list[str], port: int, stop: asyncio.Event) -> None:
    """Serve on all addresses until ``stop`` is set.

    Raises:
        WorldError: an address cannot be bound.
    """
    peer = AliasPeer(state)
    try:
        server = await asyncio.start_server(peer.serve, addresses, port)
    except OSError as error:
        raise WorldError(f"cannot listen on {', '.join(addresses)} port {port}: {error}") from error
    say(f"{NAME}: listening on {', '.join(addresses)} port {port}")
    await stop.wait()
    server.close()


async def _main(args: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(args.state, args.listen, args.port, stop)


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="lab.world.aliaspeer", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="directory of aliases.json and behaviour.json")
    parser.add_argument("--listen", nargs="+", default=["192.0.2.61", "2001:db8:77::61"], help="addresses")
    parser.add_argument("--port", type=int, default=PORT)
    try:
        asyncio.run(_main(parser.parse_args(argv)))
    except WorldError as error:
        say(f"error: {error}")
        return 1
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
