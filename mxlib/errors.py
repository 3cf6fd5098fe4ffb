"""The one error tree of the library."""


class MxlibError(Exception):
    """Base of every error this library raises on purpose."""


class ConfigError(MxlibError):
    """The site's configuration is wrong: names the file, the key, the value and what was expected."""


class HostError(MxlibError):
    """A host could not be asked, or did not answer as it must."""


class HostUnreachableError(HostError):
    """No SSH session could be had: says nothing about the state of the host."""


class CommandTimeoutError(HostError):
    """The command was started and did not end in its time; whether it acted is not known."""


class CommandFailedError(HostError):
    """The command ended with an exit code that was not expected."""


class ParseError(MxlibError):
    """An output does not have the form its command is known to print: the fact is UNKNOWN."""
