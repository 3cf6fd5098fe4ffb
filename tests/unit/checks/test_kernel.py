from mxlib.base.verdict import Status
from mxlib.checks.kernel import check
from tests.unit.support.healthy import ENTRIES, POLICY, host, replaced

CHECK = check(ENTRIES)


def judge(facts=None, policy=POLICY):
    return CHECK.verdict(facts or host(), policy)


def bad_kernel(**sysctls):
    facts = host(
        kernel=lambda text: text.replace("6.1.0-55-cloud-amd64", "5.10.0-9-amd64").replace("6.1.192-1", "5.10.70-1"),
        sysctl=lambda text: "".join(
            next((f"{line.partition(':')[0]}:{value}\n" for key, value in sysctls.items() if f"/{key}:" in line), line)
            for line in text.splitlines(keepends=True)
        ),
    )
    return judge(facts)


def test_the_kernel_of_2021_is_known_to_be_bad():
    verdict = bad_kernel()
    assert verdict.status is Status.FAILED
    assert "2021-12-mx-conntrack" in verdict.why
    assert "https://" in verdict.why


def test_mitigations_and_exceptions_make_it_harmless():
    assert bad_kernel(tcp_fastopen_blackhole_timeout_sec=3600).status is Status.OK
    assert bad_kernel(tcp_fastopen=0).status is Status.OK


def test_the_build_that_runs_is_judged_and_not_the_one_on_the_disk():
    """The release is the same: a fixed build is installed, the bad one still runs."""
    facts = host(kernel=replaced("build #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1", "build #1 SMP Debian 5.10.70-1"))
    verdict = judge(facts)
    assert verdict.status is Status.FAILED
    assert "2021-12-mx-conntrack" in verdict.why
    assert verdict.why.endswith("; 6.1.192-1 is installed and not booted yet")


def test_a_kernel_that_does_not_say_its_build_is_not_known_to_be_good():
    facts = host(kernel=replaced("Debian 6.1.192-1 ", ""))
    assert judge(facts).status is Status.UNKNOWN


def test_a_new_build_of_the_same_release_is_told():
    facts = host(kernel=replaced("Debian 6.1.192-1 ", "Debian 6.1.191-1 "))
    verdict = judge(facts)
    assert (verdict.status, verdict.why) == (
        Status.OK,
        "6.1.0-55-cloud-amd64, package 6.1.191-1, not known to be bad; 6.1.192-1 is installed and not booted yet",
    )


def test_an_older_mta_does_not_hurt():
    facts = host(
        kernel=lambda text: text.replace("6.1.192-1", "5.10.70-1"), mta_version=replaced("version 4.96", "version 4.92")
    )
    assert judge(facts).status is Status.OK
