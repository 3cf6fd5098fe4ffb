"""Reading a YAML file: a repeated key is an error, and every error names the file and the line."""

from pathlib import Path
from typing import Any

import yaml

from mxlib.base.errors import ConfigError

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Refuses repeated keys, of which PyYAML's safe loader silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str | int | float | bool):
                continue
            if key in lines:
                raise ConfigError(f"line {line}: {key}: expected each key once, and line {lines[key]} has it already")
            lines[key] = line
        return super().construct_mapping(node, deep=deep)


def read(path: Path) -> Any:
    """Return the document of a YAML file.

    Raises:
        mxlib.base.errors.ConfigError: the file cannot be read, is not YAML, or has a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
