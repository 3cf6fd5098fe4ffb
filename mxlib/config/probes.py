"""The section of the test mails in the site's configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mxlib.config.values import ADDRESS_PATTERN, NAME_PATTERN, must, positive


@dataclass(frozen=True)
class OutboundProbe:
    """One kind of test mail that leaves through the MX.

    Attributes:
        name: what the destination is called in reports.
        to: recipient whose mail exchanger represents a class of destinations.
        family: address family the recipient's name server answer allows; "any" reports the one used.
        sizes: bytes of body, one mail each. Only large bodies showed the fault of 2021.
        times: how often each; TCP Fast Open needs a cookie from an earlier contact, so twice.
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
    """What the MX has to answer to a sender from outside.

    Attributes:
        accepted: recipients that get 250.
        refused: local recipients that get 5xx.
        relay: a foreign recipient that must be refused; none where management hosts may relay.
        source_ports: first and last source port of the prober, let through a closed port while probes run.
        port: where to connect.
        ca_file: authorities that signed the certificate; none is the system's store.
        compared: local recipients of which only is known that every MX must answer the same.
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
    """The test mails.

    Attributes:
        sender: envelope sender; bounces of test mails come back to it.
        outbound: what is sent through the MX.
        inbound: what the MX is asked from outside.
        timeout: seconds until a test mail has to be delivered.
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
