"""What several unit tests share."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

# Whether a commit passes must not hang on luck; to look further is a run of its own, see docs/design.md.
# A loaded machine is slow, that is no fault.
settings.register_profile("commit", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", settings.get_profile("commit"), derandomize=False, max_examples=2000)
settings.load_profile("commit")


@pytest.fixture
def spicerack_cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Spicerack's own entry point, in a process of its own because it changes sys.path and the loggers."""

    def run(
        base_dirs: list[Path],
        *args: str,
        extender: str | None = "mxlib.extender.Extender",
        external: Path | None = None,
        parameters: dict[str, str] | None = None,
        main: dict[str, object] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        config: dict[str, object] = {
            "cookbooks_base_dirs": [str(base_dir) for base_dir in base_dirs],
            "logs_base_dir": str(tmp_path / "logs"),
            "instance_params": {**({"extender_class": extender} if extender else {}), **(parameters or {})},
            **(main or {}),
        }
        if external:
            config["external_modules_dir"] = str(external)
        config_file = tmp_path / "config.yaml"
        config_file.write_text(yaml.safe_dump(config), encoding="utf-8")
        code = "import sys; from spicerack._cookbook import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", code, "-c", str(config_file), *args],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "USER": "root", "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
