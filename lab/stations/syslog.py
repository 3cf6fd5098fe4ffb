"""A system log for a management host: messages to /dev/log are appended to /var/log/syslog.

On a real host Spicerack's and conftool's audit lines go there; without the socket they would end up on the terminal.
"""

import socket
from datetime import UTC, datetime
from pathlib import Path


def main() -> None:
    """Receive until killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("/dev/log")
        Path("/dev/log").chmod(0o666)
        with Path("/var/log/syslog").open("ab", buffering=0) as log:
            while True:
                stamp = datetime.now(UTC).isoformat(timespec="seconds").encode()
                log.write(stamp + b" " + receiver.recv(65536).rstrip(b"\0\n") + b"\n")


if __name__ == "__main__":
    main()
