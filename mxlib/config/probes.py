"""The section ``probes`` of the site's configuration: test mails and SMTP sessions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mxlib.config.values import ADDRESS_PATTERN, NAME_PATTERN, must, positive


@dataclass(frozen=True)
class OutboundProbe:
    """A test mail that leaves through the MX.

    Attributes:
        name: name of the destination in reports.
        to: a recipient whose mail exchanger represents a class of destinations.
        family: the address family to which the recipient's DNS records lead; "any" reports the one used.
        sizes: sizes of the body in bytes, one mail each. Only large bodies showed the fault of 2021.
        times: how often each is sent; TCP Fast Open needs a cookie from an earlier contact, hence twice.
    """

    name: str
    to: str
    family: Literal[4, 6, "any"] = "any"
    sizes: tuple[int, ...] = (2048, 262144)
    times: int = 2

    def __post_init__(self) -> None:
        must(bool(NAME_PATTERN.fullmatch(self.name)), "name", "letters, digits, dots, dashes")
        must(bool(ADDRESS_PATTERN.fullmatch(self.to)), "to", "a mail address")
        must(
            bool(self.sizes) and all(0 < size <= 50_000_000 for size in self.sizes), "sizes", "1 to 50000000 bytes each"
        )
        must(1 <= self.times <= 10, "times", "1 to 10")


@dataclass(frozen=True)
class InboundProbe:
    """What the MX must answer in an SMTP session from outside.

    Attributes:
        accepted: recipients that it must accept (250).
        refused: local recipients that it must refuse (5xx).
        relay: a foreign recipient that it must refuse; None where management hosts may relay.
        source_ports: first and last source port of the prober; they pass the closed ports while probes run.
        port: TCP port to connect to.
        ca_file: authorities that signed the certificate; None is the system's store.
        compared: local recipients for which only this is known: every MX must answer the same.
    """

    accepted: tuple[str, ...]
    refused: tuple[str, ...] = ()
    relay: str | None = None
    source_ports: tuple[int, int] = (61000, 61015)
    port: int = 25
    ca_file: Path | None = None
    compared: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        must(bool(self.accepted), "accepted", "at least one mail address")
        for key in ("accepted", "refused", "compared"):
            addresses = getattr(self, key)
            must(all(ADDRESS_PATTERN.fullmatch(one) for one in addresses), key, "mail addresses")
        must(self.relay is None or bool(ADDRESS_PATTERN.fullmatch(self.relay)), "relay", "a mail address")
        first, last = self.source_ports
        must(1024 <= first <= last <= 65535, "source_ports", "first and last port, 1024 to 65535")
        must(0 < self.port < 65536, "port", "1 to 65535")


@dataclass(frozen=True)
class ProbeSection:
    """Test mails and SMTP sessions.

    Attributes:
        sender: envelope sender; bounces of test mails come back to it.
        outbound: test mails that are sent through the MX.
        inbound: what the MX must answer from outside.
        timeout: seconds within which a test mail must be delivered.
    """

    sender: str
    outbound: tuple[OutboundProbe, ...]
    inbound: InboundProbe
    timeout: float = 90.0

    def __post_init__(self) -> None:
        must(bool(ADDRESS_PATTERN.fullmatch(self.sender)), "sender", "a mail address")
        must(bool(self.outbound), "outbound", "at least one probe")
        must(len({one.name for one in self.outbound}) == len(self.outbound), "outbound", "different names")
        positive(self.timeout, "timeout")
