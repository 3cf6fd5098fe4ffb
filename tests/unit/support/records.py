"""A record of a run, as a host keeps it."""

from mxlib.model.record import Boot, Judgement, Kernel, Prior, Record

RECORD = Record(
    run="run-1", who="op@cumin1001", why="because", since="now", token=7, target=Kernel("6.1.0-56", "m>b"),
    fallback=Kernel("6.1.0-55", "m>a"), boot_before="b0",
    prior=Prior({"smtp": "yes"}, "m>a", False), log_mark="12:34", baseline=True,
    boots=(Boot("b0", "6.1.0-56", "b1", "x"),), silences=("s1",), accepted=("log",),
).with_judgement("b1", held=Judgement.PASSED)  # fmt: skip
