"""Did the 250 reach the client? A server not sure of it must expect the message again (RFC 5321, 4.5.4.2; RFC 1047).

In the incident the lab replays, the kernel of the client throws the replies away: the message is here, the client never
learns it, and sends it again. The kernel here knows: bytes that the client's TCP did not acknowledge stay in the send
queue, whose length the ioctl SIOCOUTQ returns (tcp(7)).
"""

import array
import asyncio
import fcntl
import termios
import time

from lab.world.inbox import Inbox

UNSEEN_AFTER = 2.0
SETTLE_LIMIT = 60.0


class ReplyWatch:
    """The 250s of one connection that the client has not acknowledged yet."""

    def __init__(self, writer: asyncio.StreamWriter, inbox: Inbox) -> None:
        """Watch the connection of a writer; what goes unseen is noted in the inbox."""
        self._writer = writer
        self._inbox = inbox
        self._pending: dict[str, float] = {}
        self._unseen: set[str] = set()
        self._silent: str | None = None

    def promised(self, number: str) -> None:
        """Take note that the 250 for an arrival is about to be written."""
        self._pending[number] = time.monotonic()
        self._silent = number

    def heard(self) -> None:
        """Take note that the client said something."""
        self._silent = None
        self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Strike off what the client acknowledged; note what it has not for two seconds."""
        if not self._pending:
            return
        if self._outstanding() == 0:
            for number in self._unseen:
                self._inbox.note("reply-seen", number, "acknowledged late")
            self._pending.clear()
            self._unseen.clear()
            return
        for number, since in self._pending.items():
            if now - since > UNSEEN_AFTER:
                self._note_unseen(number, "not acknowledged by the client's TCP")

    async def settled(self) -> None:
        """Wait until the client acknowledged every 250, or a minute."""
        pause = 0.001
        end = time.monotonic() + SETTLE_LIMIT
        while self._pending and time.monotonic() < end:
            self.look(time.monotonic())
            if self._pending:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 0.1)

    def leave(self) -> None:
        """The connection ends: whatever was not acknowledged, or was the last word of the session, may be unseen."""
        self.look(time.monotonic())
        for number in self._pending:
            self._note_unseen(number, "connection ended before the client's TCP acknowledged it")
        if self._silent is not None:
            self._note_unseen(self._silent, "client left without another word")
        self._pending.clear()
        self._silent = None

    def _note_unseen(self, number: str, why: str) -> None:
        if number not in self._unseen:
            self._unseen.add(number)
            self._inbox.note("reply-unseen", number, why)

    def _outstanding(self) -> int:
        """Return the bytes written and not acknowledged; 1 where it can no longer be asked."""
        transport = self._writer.transport
        sock = transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return 1
        queued = array.array("i", [0])
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, queued)
        return queued[0] + transport.get_write_buffer_size()
