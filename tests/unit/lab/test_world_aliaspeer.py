"""The peer of the alias generators: it answers, or it falls silent with the socket open."""

import asyncio
import json
from pathlib import Path

import pytest

from lab.world import behaviour
from lab.world.aliaspeer import AliasPeer


async def ask(state: Path, question: bytes, limit: float = 0.3) -> tuple[bytes, bool]:
    """Return what came within the limit, and whether the connection was still open then."""
    server = await asyncio.start_server(AliasPeer(state).serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(question)
    got = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(4096), limit):
            got += chunk
    except TimeoutError:
        return got, True
    finally:
        writer.close()
        server.close()
    return got, False


@pytest.fixture
def state(tmp_path: Path) -> Path:
    table = {"support@lab.test": "support@tickets.test", "info@lab.test": "info@tickets.test"}
    (tmp_path / "aliases.json").write_text(json.dumps(table))
    return tmp_path


def test_list(state: Path) -> None:
    got, _ = asyncio.run(ask(state, b"LIST\n"))
    assert got == b"info@lab.test info@tickets.test\nsupport@lab.test support@tickets.test\nEND\n"


@pytest.mark.parametrize(("after", "lines"), [(0, 0), (1, 1), (5, 2)])
def test_hang_with_the_socket_open(state: Path, after: int, lines: int) -> None:
    behaviour.change(state / behaviour.FILE_NAME, "aliaspeer", {"mode": "hang", "after": after})
    got, open_ = asyncio.run(ask(state, b"LIST\n"))
    assert (got.count(b"\n"), b"END" in got, open_) == (lines, False, True)


def test_other_questions_and_no_aliases(tmp_path: Path) -> None:
    got, _ = asyncio.run(ask(tmp_path, b"HELLO\r\nlist\r\n"))
    assert got == b"ERR unknown command\nEND\n"
