"""2021-12-03: outgoing mail stuck for about a day after a reboot into a kernel that loses connections.

The history is that of the site's public incident report.
"""

from lab import demo
from lab.place import exchanger
from lab.story import Moment, Stage, Story

MX = exchanger("mx2001")

HISTORY = (
    Moment("11-24", "mx2001 rebooted into a new kernel; next to no traffic, so nothing showed"),
    Moment("11-30", "smarthost preference changed: mx2001 gets the traffic"),
    Moment("12-02 10:24", "queue over 2000 (4013) on the dashboard; nobody paged"),
    Moment("12-03 16:48", "users report bounces"),
    Moment("12-03 21:11", "time-outs to the big provider: SMTP timeout after end of data"),
    Moment("12-03 23:11", "dropped packets found; a firewall rule by hand lets mail flow; Puppet disabled"),
    Moment("12-03 23:28", "guessing how long the queue will take"),
    Moment("12-04 00:22", "queue at 0; firewall reloaded to close the hole opened by hand"),
    Moment("12-04 00:46", "decision: reboot into the previous kernel"),
    Moment("12-04 00:55", "the host does not come back: no address, the hypervisor has renumbered its devices"),
    Moment("12-04 01:10", "repaired by hand on the console: root password, interface name, a second reboot"),
    Moment("12-04 01:14", "SSH back; spamd and the firewall did not start, a stale ifup"),
    Moment("12-04 01:26", "Exim masked, the host is kept out of service over the weekend"),
    Moment("12-08", "mx2001 back in service"),
)


def replay(stage: Stage) -> None:
    """Play it."""
    good = demo.other_kernel(stage.place, MX)
    bad = stage.on(MX, "uname -r").strip()
    with stage.broken("bad-kernel", MX, bad):
        stage.note(f"{MX.name} runs {bad}, which loses connections; {good} does not", then="11-24")


STORY = Story("2021-12-03", "outgoing mail stuck for a day behind a kernel that drops answers", HISTORY, replay)
