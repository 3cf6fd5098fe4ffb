import pytest

from mxlib.base.errors import ConfigError
from mxlib.config.document import read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("soak: {seconds: 1}\nboot: {panic: 0}\nsoak: {}\n", "line 3: soak: expected each key once, and line 1 has it"),
        ("drain:\n  timeout: 5\n  runners: 1\n  timeout: 6\n", "line 4: timeout: expected each key once, and line 2"),
        ("mxs:\n  a.test: {dc: eqiad}\n  a.test: {dc: codfw}\n", "line 3: a.test: expected each key once, and line 2"),
        ("list:\n- {a: 1, a: 2}\n", "line 2: a: expected each key once, and line 2 has it already"),
    ],
)
def test_a_key_that_is_written_twice(tmp_path, text, said):
    path = tmp_path / "sre.mail.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert caught.value.__suppress_context__


def test_a_merged_mapping_may_be_overridden(tmp_path):
    path = tmp_path / "merge.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nmine: {<<: *base, b: 3}\n")
    assert read(path)["mine"] == {"a": 1, "b": 3}
