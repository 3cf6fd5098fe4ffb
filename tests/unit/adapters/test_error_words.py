"""What a configuration file says stands in no error and no log: its parser's words quote the line."""

import configparser
import logging

import pytest
from conftool.configuration import get as conftool_configuration
from spicerack.locking import get_lock_instance
from wmflib.config import load_yaml_config
from wmflib.exceptions import WmflibError

from mxlib.adapters.error_words import keep_configuration_out_of_logs, words_of


def failed(act, *arguments, **options) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        act(*arguments, **options)
    return caught.value


def test_the_words_of_any_other_error_are_its_own():
    assert words_of(OSError(2, "No such file", "/x")) == "[Errno 2] No such file: '/x'"
    assert words_of(ValueError("a\nb " + 300 * "x"), 20) == "a b " + 15 * "x" + "…"


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "config.yaml"
    assert words_of(failed(load_yaml_config, path)) == f"{path}: No such file or directory"


@pytest.mark.parametrize(
    "line", ["token: !hunter2", "token: *hunter2", "token: {hunter2", 'token: "hunter2', "token: hunter2: x"]
)
def test_a_file_that_is_no_yaml_is_named_by_its_line(tmp_path, line):
    path = tmp_path / "config.yaml"
    path.write_text(f"user: mx\n{line}\n")
    error = failed(load_yaml_config, path)
    assert isinstance(error, WmflibError)
    assert words_of(error).startswith(f"{path}: it is not YAML from line ")
    assert "hunter2" not in words_of(error)


def test_an_error_that_was_raised_while_another_was_handled_is_known_by_that_one(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("token: !hunter2\n")

    def wrapped() -> None:
        try:
            load_yaml_config(path)
        except WmflibError as error:
            raise ValueError(f"no client: {error}")  # noqa: B904

    assert words_of(failed(wrapped)).startswith(f"{path}: it is not YAML")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("token = hunter2\n", "it is no INI file that can be read (MissingSectionHeaderError): look at line 1"),
        ("[bot]\nx = 1\nhunter2\n", "it is no INI file that can be read (ParsingError): look at line 3"),
        ("[bot]\nhunter2=1\nhunter2=2\n", "it is no INI file that can be read (DuplicateOptionError): look at line 3"),
        ("[bot]\ntoken = %hunter2\n", "option token in section bot: it cannot be read: a % stands there as %%"),
        ("", "it is no INI file that can be read (NoSectionError)"),
    ],
)
def test_a_file_that_is_no_ini_is_named_by_its_line(tmp_path, text, said):
    path = tmp_path / "bot.conf"
    path.write_text(text)
    parser = configparser.ConfigParser()

    def read() -> None:
        parser.read(path)
        parser.get("bot", "token")

    assert words_of(failed(read)).removeprefix(f"{path}: ") == said


def test_what_libraries_log_of_a_file_that_they_do_without_is_its_line_alone(tmp_path, caplog, monkeypatch):
    for name in ("conftool", "wmflib.config"):
        monkeypatch.setattr(logging.getLogger(name), "filters", [])
    path = tmp_path / "etcdrc"
    path.write_text("password: !hunter2\n")
    with caplog.at_level(logging.DEBUG):
        load_yaml_config(path, raises=False)
        conftool_configuration(path)
        assert caplog.text.count("hunter2") == 2, "as they do by themselves"
        caplog.clear()
        keep_configuration_out_of_logs()
        keep_configuration_out_of_logs()
        load_yaml_config(path, raises=False)
        conftool_configuration(path)
    assert "hunter2" not in caplog.text
    assert caplog.text.count("it is not YAML from line 1, column 11 on") == 2


def test_the_words_of_spicerack_about_its_own_lock_are_known(tmp_path):
    path = tmp_path / "etcdrc"
    path.write_text("password: !hunter2\n")
    error = failed(get_lock_instance, config_file=path, prefix="custom", owner="me", dry_run=False)
    assert "hunter2" in str(error)
    assert "hunter2" not in words_of(error)
