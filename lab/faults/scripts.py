"""Shell scripts run on an exchanger to break and mend it; ``@kernel@`` and ``@firewall@`` are filled in."""

_UNIT = """cat > /etc/systemd/system/{name}.service <<'E'
[Unit]
Description=Lab: {what}
ConditionKernelVersion=@kernel@
DefaultDependencies=no
{order}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={command}
[Install]
WantedBy=sysinit.target
E
systemctl daemon-reload
systemctl enable --quiet {name}.service
"""


def undo_unit(name: str) -> str:
    """Return a script that removes a unit made by these scripts."""
    return f"systemctl disable --quiet {name}.service 2>/dev/null || true; rm -f /etc/systemd/system/{name}.service"


KERNEL_PANIC = _UNIT.format(
    name="lab-kernel-panic",
    what="this kernel panics",
    order="After=systemd-remount-fs.service\nBefore=sysinit.target",
    command="/bin/sh -c 'echo c > /proc/sysrq-trigger'",
)
# RemainAfterExit and no time limit: sysinit.target, and with it SSH and the login prompts, waits for ever.
KERNEL_HANG = _UNIT.format(
    name="lab-kernel-hang",
    what="this kernel's boot hangs",
    order="After=systemd-remount-fs.service\nBefore=sysinit.target",
    command="/bin/sleep infinity",
).replace("Type=oneshot", "Type=oneshot\nTimeoutStartSec=infinity")

# As in 2021: once a large body has gone out, the replies of that connection have no conntrack state any more, match no
# "established" rule and fall to the firewall's policy; IPv6 from 100 kB on, IPv4 later. As then, a rule that accepts
# the peer's address lets them through. conntrack counts bytes only with nf_conntrack_acct.
_BAD_KERNEL_PROGRAM = """cat > /usr/local/sbin/lab-bad-kernel <<'E'
#!/bin/sh
set -e
modprobe nf_conntrack
sysctl -q -w net.netfilter.nf_conntrack_acct=1
nft -f - <<'N'
table inet lab_bad_kernel
delete table inet lab_bad_kernel
table inet lab_bad_kernel {
  set lost6 { type ipv6_addr . inet_service; flags timeout; timeout 10m; size 4096; }
  set lost4 { type ipv4_addr . inet_service; flags timeout; timeout 10m; size 4096; }
  chain watch {
    type filter hook output priority 10;
    tcp dport 25 ct original bytes > 100000 add @lost6 { ip6 daddr . tcp sport }
    tcp dport 25 ct original bytes > 180000 add @lost4 { ip daddr . tcp sport }
  }
  chain lose {
    type filter hook prerouting priority raw;
    tcp sport 25 ip6 saddr . tcp dport @lost6 counter notrack
    tcp sport 25 ip saddr . tcp dport @lost4 counter notrack
  }
}
N
E
chmod 755 /usr/local/sbin/lab-bad-kernel
# `flush ruleset` does not cure a kernel: the fault returns after each load of the host's firewall.
again='-/bin/sh -c "systemctl -q is-active lab-bad-kernel && /usr/local/sbin/lab-bad-kernel"'
for unit in nftables ferm; do
  mkdir -p /etc/systemd/system/$unit.service.d
  printf '[Service]\\nExecStartPost=%s\\nExecReload=%s\\n' "$again" "$again" \
    > /etc/systemd/system/$unit.service.d/lab-bad-kernel.conf
done
"""
BAD_KERNEL = (
    _BAD_KERNEL_PROGRAM
    + _UNIT.format(
        name="lab-bad-kernel",
        what="this kernel loses the conntrack state of large outgoing mail",
        order="After=nftables.service ferm.service systemd-sysctl.service\nBefore=exim4.service",
        command="/usr/local/sbin/lab-bad-kernel",
    ).replace("WantedBy=sysinit.target", "WantedBy=multi-user.target")
    + "systemctl start lab-bad-kernel.service"
)
UNDO_BAD_KERNEL = (
    undo_unit("lab-bad-kernel")
    + """
systemctl stop lab-bad-kernel.service 2>/dev/null || true
rm -f /usr/local/sbin/lab-bad-kernel /etc/systemd/system/nftables.service.d/lab-bad-kernel.conf \
  /etc/systemd/system/ferm.service.d/lab-bad-kernel.conf
systemctl daemon-reload
nft delete table inet lab_bad_kernel 2>/dev/null || true"""
)


def first_start_fails(unit: str, now: str) -> str:
    """Return a script that breaks a unit now and makes its first start after every boot fail; a restart succeeds."""
    return f"""mkdir -p /etc/systemd/system/{unit}.service.d
cat > /etc/systemd/system/{unit}.service.d/lab-fails.conf <<'E'
[Service]
ExecStartPre=/bin/sh -c 'test -e /run/lab-{unit}-failed || {{ : > /run/lab-{unit}-failed; exit 1; }}'
E
: > /run/lab-{unit}-failed
systemctl daemon-reload
{now}
"""


def undo_first_start_fails(unit: str) -> str:
    """Return the script that mends such a unit."""
    return f"""rm -f /etc/systemd/system/{unit}.service.d/lab-fails.conf
systemctl daemon-reload; systemctl reset-failed {unit}.service 2>/dev/null || true
systemctl is-active -q {unit}.service || systemctl restart {unit}.service"""


# Records as Exim 4.96 and 4.98 keep them (src/dbstuff.h, dbdata_retry): stamp, first failure, last and next try,
# expired, errno, more, text; the key's length counts a closing NUL. First failure ten days ago: past every cutoff.
# In 4.98 an IPv6 address is in brackets: Exim never finds a hint under the old form of the key.
_HINT_KEYS = (
    "T:mx.provider.test:198.51.100.10",
    "T:mx.provider.test:2001:db8:51::10",
    "T:mx4.provider.test:198.51.100.10",
    "T:mx6.provider.test:2001:db8:51::10",
)
_HINTS = r"""cd /var/spool/exim4/db
perl -MDB_File -MFcntl=:flock -e '
open(my $lock, ">>", "retry.lockfile") or die "retry.lockfile: $!"; flock($lock, LOCK_EX) or die $!;
tie(my %%hints, "DB_File", "retry", O_RDWR | O_CREAT, 0640, $DB_HASH) or die "retry: $!";
my $now = time;
my ($minor) = `exim4 -bV` =~ /version 4\.(\d+)/ or die "exim4 -bV: expected version 4.N";
for my $plain (qw(%(keys)s)) {
  my $key = $plain;
  $key =~ s/^(T:[^:]+):(.*:.*)$/$1:[$2]/ if $minor >= 98;
  my $record = pack("q4 I i i Z*", $now, $now - 864000, $now - 60, $now + 21600, 1, 110, 0, "Connection timed out");
  %(act)s;
}
untie %%hints'
chown Debian-exim:Debian-exim retry retry.lockfile; chmod 640 retry retry.lockfile"""
STALE_HINTS = _HINTS % {"keys": " ".join(_HINT_KEYS), "act": '$hints{"$key\\0"} = $record'}
UNDO_STALE_HINTS = _HINTS % {"keys": " ".join(_HINT_KEYS), "act": 'delete $hints{"$key\\0"}'}

# Scripts that succeed on the host if, and only if, a fault took effect there.
HAS_KERNEL = "test -d '/lib/modules/@kernel@' || { echo 'no kernel @kernel@ on this host'; exit 1; }"
SHOWS_BAD_KERNEL = f"""{HAS_KERNEL}
systemctl is-enabled -q lab-bad-kernel.service
[ "$(uname -r)" != '@kernel@' ] || nft list table inet lab_bad_kernel >/dev/null"""
# Exim's own tool marks what is past its cutoff, and writes addresses as this Exim does.
SHOWS_STALE_HINTS = f"""dump=$(exim_dumpdb /var/spool/exim4 retry)
expired=$(echo "$dump" | grep -c ' [*]$' || true)
[ "$expired" -ge {len(_HINT_KEYS)} ] || {{ echo "expected {len(_HINT_KEYS)} expired hints: $dump"; exit 1; }}"""
SHOWS_FULL_DISK = '[ "$(df --output=avail -B1 /var/spool | tail -n 1)" -lt 1048576 ]'
SHOWS_CHANGED_ROOT = """perl -e 'my $kept = (getpwnam "root")[1]; exit(crypt("changed-by-somebody", $kept) ne $kept)'"""


def shows_stopped(unit: str) -> str:
    """Return a script that succeeds if a unit does not run."""
    return f"! systemctl is-active -q {unit}.service"


def shows_unit(name: str) -> str:
    """Return a script that succeeds if a unit made by these scripts waits for a kernel that the host has."""
    return f"{HAS_KERNEL}\nsystemctl is-enabled -q {name}.service"
