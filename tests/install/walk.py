"""Follow docs/install.md to the letter on a clean Debian 12 and a clean Debian 13.

A minimal root directory of each release is built and kept in the cache. Each `sh` block of the page is run in a copy of
it, in the order of the page, under that release's own systemd (tests/pid1.py), which is booted again for each block.
Beside it are two sshd for the mail exchangers and that release's etcd, over TLS: what a site has already. They have a
network of their own; the machine's is used by the blocks that fetch something.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from lab.build import mmdebstrap  # noqa: E402
from lab.place import cache  # noqa: E402
from lab.shell import LabError, run, wait_for  # noqa: E402
from tests import pid1  # noqa: E402

PAGE = REPOSITORY / "docs" / "install.md"
RELEASES = ("bookworm", "trixie")
CLEAN = ("systemd-sysv",)
WORLD = ("systemd-sysv", "openssh-server", "etcd-server", "openssl", "exim4-daemon-light", "nftables")
HOSTS = """127.0.0.1 localhost
127.0.0.11 mx1001.example.org
127.0.0.12 mx2001.example.org
127.0.0.13 etcd.example.org
"""
FETCHES = re.compile(r"^(apt-get|git .*(clone|pull)|\S*pip install)", re.MULTILINE)
# A cookbook's own exit code is its answer; Spicerack's, and those of the shell, say that it did not come to one.
ROOT_SHELL = """set -eu
export HOME=/root USER=root LOGNAME=root DEBIAN_FRONTEND=noninteractive REPOSITORY=/exchange/shared/mx-cookbooks.git
. /exchange/shared/pip.env
cd /root
trap '[ $? -eq 0 ] || journalctl --no-pager --boot --lines 40' EXIT
cookbook() {
    status=0; command cookbook "$@" || status=$?
    echo "(exit code $status)"
    case $status in 0 | [1-4][0-9]) ;; *) return "$status" ;; esac
}
"""
# After the blocks of a section: what has to be so by then.
SEEN = {
    "Spicerack's configuration": """
        command cookbook -l >/tmp/listed 2>&1
        for path in /srv/mx-cookbooks/cookbooks/sre/mail/[!_]*.py; do
            name=${path##*/}; grep -q "sre.mail.${name%.py}" /tmp/listed
        done
        test "$(grep -v sre /tmp/listed)" = cookbooks
        test "$(stat -c %a /run/cumin-ssh)" = 700
        /srv/mx-cookbooks.venv/bin/python - <<'END'
from pathlib import Path
from mxlib.adapters.etcd_api import make_client
from mxlib.adapters.etcd_slot import EtcdSlot, Holder
one, two = (
    EtcdSlot(make_client(Path("/etc/etcd/etcdrc")), "/mx-cookbooks/mail", 60, Holder(host, host, "test", "now"), host)
    for host in ("mx1001.example.org", "mx2001.example.org")
)
token = one.take()
one.renew()
assert (token > 0, one.state().name, two.state().name) == (True, "MINE", "OTHERS")
one.release()
assert two.state().name == "FREE"
END
        # what a site puts in: here no test mail arrives, and waiting for it proves nothing
        sed -i 's/^probes:/probes:\\n  timeout: 5/' /etc/spicerack/cookbooks/sre.mail.yaml""",
    "The site's configuration": "test -n \"$(find /var/log/spicerack/sre/mail -name 'verify-mx*.log')\"",
    "From systemd": """
        systemd-analyze verify --man=no /srv/mx-cookbooks/systemd/*
        systemctl is-active mx-verify.timer
        grep -c '"answered": true' /var/lib/mx-verify/last.json | grep -x 2
        grep -q mx_verify_status /var/lib/prometheus/node-exporter/mx_verify.prom
        test "$(stat -c %a /var/log/spicerack)" = 750""",
    "Upgrade": 'test "$(git -C /srv/mx-cookbooks log -1 --format=%s)" = "The next release"',
    "Roll back": 'test "$(git -C /srv/mx-cookbooks log -1 --format=%s)" = "This release"',
    "Uninstall": """
        python3 - <<'END'
import urllib.error, urllib.request
try:
    urllib.request.urlopen("https://etcd.example.org:2379/v2/keys/mx-cookbooks/mail")
except urllib.error.HTTPError as error:
    assert error.code == 404 and b"Key not found" in error.read()
else:
    raise SystemExit("etcd still has /mx-cookbooks/mail")
END
        ! command -v cookbook
        find / -xdev -path /exchange -prune -o '(' -name '*mx-cookbooks*' -o -name 'mx-verify*' ')' -print >/tmp/left
        ! grep . /tmp/left""",
}


@dataclass(frozen=True)
class Block:
    """One block of commands.

    Attributes:
        section: the heading above it.
        line: where it begins in the page.
        text: the commands.
        last: whether it is the last one of its section.
    """

    section: str
    line: int
    text: str
    last: bool


def page() -> list[Block]:
    """The page's blocks.

    Raises:
        LabError: a section that is looked at has no block any more.
    """
    found = blocks(PAGE.read_text(encoding="utf-8"))
    if lost := SEEN.keys() - {block.section for block in found}:
        raise LabError(f"{PAGE}: no commands under {', '.join(sorted(lost))}: expected a block of sh in each")
    return found


def blocks(text: str) -> list[Block]:
    """All blocks of commands of a text, in order."""
    found: list[tuple[str, int, str]] = []
    for match in re.finditer(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        before = text[: match.start()]
        found.append((re.findall(r"^## (.+)$", before, re.MULTILINE)[-1], before.count("\n") + 2, match[1]))
    followers = [section for section, _, _ in found[1:]] + [""]
    return [Block(*one, last=one[0] != after) for one, after in zip(found, followers, strict=True)]


def built(release: str, packages: tuple[str, ...]) -> Path:
    """A minimal root directory of a release, from the cache if it is there."""
    recipe = hashlib.sha256(" ".join((*packages, *mmdebstrap.OPTIONS)).encode()).hexdigest()[:8]
    root = cache() / "install" / f"{release}-{recipe}"
    if not root.is_dir():
        work = root.with_name(f"{root.name}.{os.getpid()}")
        work.parent.mkdir(parents=True, exist_ok=True)
        mmdebstrap.make(cache(), work, [*mmdebstrap.OPTIONS, f"--include={','.join(packages)}"], suite=release)
        work.rename(root)
    return root


def machine_settings(root: Path, shared: Path) -> None:
    """How this machine reaches Debian's and Python's packages, if not directly; nothing else of it."""
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    dumped = run(["apt-config", "dump"]).stdout.splitlines()
    ours = [line for line in dumped if re.match(r"Acquire::https?::", line)]
    (root / "etc/apt/apt.conf.d/90machine").write_text("\n".join(ours) + "\n")
    listed = run([sys.executable, "-m", "pip", "config", "list"], check=False).stdout
    settings = dict(re.findall(r"^(?:\S+)\.([a-z-]+)='([^']*)'$", listed, re.MULTILINE))
    if certificates := settings.get("cert"):
        shutil.copy(certificates, shared / "ca.crt")
        settings["cert"] = "/exchange/shared/ca.crt"
    kept = ("index-url", "extra-index-url", "trusted-host", "proxy", "cert", "timeout")
    lines = [
        f"export PIP_{key.upper().replace('-', '_')}='{settings[key]}'"
        for key in kept
        if key in settings and not settings[key].startswith("file:")
    ]
    lines += [f"export {key}='{os.environ[key]}'" for key in ("http_proxy", "https_proxy") if key in os.environ]
    (shared / "pip.env").write_text("\n".join(lines) + "\n")


def repository(shared: Path) -> tuple[Path, str]:
    """A repository to clone from, with this work tree as its newest commit; and the commit that an upgrade brings."""
    bare = shared / "mx-cookbooks.git"
    git = ["git", "-C", str(REPOSITORY), "-c", "user.name=test", "-c", "user.email=test@example.org"]
    stashed = run([*git, "stash", "create"]).stdout.strip() or "HEAD"
    tree = run([*git, "rev-parse", f"{stashed}^{{tree}}"]).stdout.strip()
    this = run([*git, "commit-tree", tree, "-m", "This release"]).stdout.strip()
    following = run([*git, "commit-tree", tree, "-p", this, "-m", "The next release"]).stdout.strip()
    run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare])
    run([*git, "push", "--quiet", bare, f"{this}:refs/heads/main", f"{following}:refs/heads/next"])
    return bare, following


def access(root: Path, world: Path, shared: Path) -> None:
    """What the page takes for granted: names, root's SSH key and the known hosts, a certificate for etcd."""
    (root / "etc/hosts").write_text(HOSTS)
    run(["chroot", world, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/tmp/key"])
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.move(world / "tmp/key", root / "root/.ssh/id_ed25519")
    shutil.move(world / "tmp/key.pub", shared / "authorized_keys")
    (root / "etc/ssh").mkdir(exist_ok=True)
    key = (world / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    (root / "etc/ssh/ssh_known_hosts").write_text(f"mx1001.example.org {key}mx2001.example.org {key}")
    request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=etcd -addext subjectAltName=DNS:etcd.example.org"
    run(["chroot", world, "openssl", *request.split(), "-keyout", "/tmp/etcd.key", "-out", "/tmp/etcd.crt"])
    for name in ("etcd.key", "etcd.crt"):
        shutil.move(world / "tmp" / name, shared / name)
    (root / "usr/local/share/ca-certificates").mkdir(parents=True, exist_ok=True)
    shutil.copy(shared / "etcd.crt", root / "usr/local/share/ca-certificates/site.crt")


SERVE = f"""set -eu
cat >/etc/hosts <<'END'
{HOSTS}END
mkdir -p /root/.ssh /run/sshd
install -m 0600 /exchange/shared/authorized_keys /root/.ssh/authorized_keys
cp /exchange/shared/etcd.key /exchange/shared/etcd.crt /tmp/
systemctl stop ssh.service ssh.socket etcd.service 2>/dev/null || :
/usr/sbin/sshd -o ListenAddress=127.0.0.11 -o ListenAddress=127.0.0.12 -o PermitRootLogin=prohibit-password
etcd --enable-v2 --data-dir /tmp/etcd --cert-file /tmp/etcd.crt --key-file /tmp/etcd.key --log-level error \\
    --listen-client-urls https://127.0.0.13:2379 --advertise-client-urls https://etcd.example.org:2379 &
until timeout 1 bash -c ': </dev/tcp/127.0.0.13/2379' 2>/dev/null; do sleep 0.2; done
touch /exchange/shared/up
until [ -e /exchange/shared/down ]; do sleep 0.2; done
"""


@contextmanager
def network() -> Iterator[int]:
    """A network of its own, as long as it is used."""
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up; exec sleep infinity"]) as holder:
        time.sleep(0.5)
        try:
            yield holder.pid
        finally:
            holder.kill()


@contextmanager
def site(world: Path, shared: Path, net: int) -> Iterator[None]:
    """The mail exchangers and etcd."""
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(pid1.run, world, SERVE, layer=True, network=net, shared=shared, timeout=1800)
        try:
            wait_for("the site", lambda: (shared / "up").exists() or served.done(), deadline=60)
            if served.done():
                raise LabError(f"the mail exchangers and etcd ended: {served.result()}")
            yield
        finally:
            (shared / "down").touch()


def walk(release: str, *, verbose: bool) -> None:
    """Follow the page on one release.

    Raises:
        LabError: a block failed, or what has to be so after it is not.
    """
    world = built(release, WORLD)
    with tempfile.TemporaryDirectory(prefix="install-", dir=cache() / "install") as folder, network() as net:
        root, shared = Path(folder, "root"), Path(folder, "shared")
        shared.mkdir()
        run(["cp", "--archive", built(release, CLEAN), root], timeout=120)
        machine_settings(root, shared)
        bare, following = repository(shared)
        access(root, world, shared)
        with site(world, shared, net):
            for block in page():
                if block.section == "Upgrade":
                    run(["git", "-C", bare, "update-ref", "refs/heads/main", following])
                follow(root, shared, net, block, verbose=verbose)


def follow(root: Path, shared: Path, net: int, block: Block, *, verbose: bool) -> None:
    """Run one block, and look at what has to be so after the last one of its section."""
    begun = time.monotonic()
    reached = os.getpid() if FETCHES.search(block.text) else net
    done = pid1.run(root, f"{ROOT_SHELL}set -x\n{block.text}", network=reached, shared=shared, timeout=600)
    where = f"{PAGE.name}:{block.line} ({block.section})"
    print(f"  {where}: exit code {done.code} after {time.monotonic() - begun:.1f} s", flush=True)
    if verbose or done.code != 0:
        print(done.output, flush=True)
    if done.code != 0:
        raise LabError(f"{where}: exit code {done.code}")
    if block.last and (check := SEEN.get(block.section)):
        seen = pid1.run(root, f"{ROOT_SHELL}set -x\n{check}", network=net, shared=shared, timeout=60)
        if seen.code != 0:
            raise LabError(f"after {where}: not as it should be:\n{seen.output}")


def main() -> int:
    """Read the arguments, follow the page, say how it went."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="tests/install/run", description=__doc__, formatter_class=raw)
    parser.add_argument("release", nargs="*", default=RELEASES, help=f"code names; by default {' '.join(RELEASES)}")
    parser.add_argument("--verbose", action="store_true", help="show what the commands print, also where all is well")
    args = parser.parse_args()
    if lacking := pid1.lacking():
        print(f"tests/install/run: {lacking}", file=sys.stderr)
        return 1
    failed = 0
    for release in args.release:
        print(f"{PAGE.name} on a clean Debian {release}", flush=True)
        try:
            walk(release, verbose=args.verbose)
        except LabError as error:
            failed += 1
            print(f"{release}: {error}", file=sys.stderr, flush=True)
    print(f"{len(args.release) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
