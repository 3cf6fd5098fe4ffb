"""Imports run one way, from the cookbooks down to the host and the configuration; what decides and judges is pure."""

import ast
import graphlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# One floor a line, top to bottom: a module imports from its own floor and from those below. A folder stands for all
# that is in it. Who adds a module to mxlib gives it a floor here, and so says what it may know.
FLOORS_TEXT = """
    cookbooks
    verify_session remedy_session roll_session
    roll_run roll_fleet roll_watch roll_memory roll_report roll_notify roll_seams roll_past roll_story
    session last_breath alias_session
    wiring verify_outside
    report_markdown
    request run reading report rescue verify_report verify_metrics nic_session nic_site nic_service nic_report rehearse
    extender
    alias_run alias_aftermath alias_report alias_tell alias_world
    plan steps remedies verify verify_look verify_fleet verify_host nic_prevent nic_repair
    aim
    roll_survey roll_plan roll_soak roll_state
    alias_outcome alias_plan verify_aliases alias_read probe_aliases
    drain_plan
    checks drain_judge client_watch probe probe_outbound probe_inbound probe_peer nic nic_cause nic_forecast
    asking alerts announce
    seams alerts_read ganeti_clusters
    facts
    probe_budget cumin_host pool slot ganeti console boot_watch serial_shell reach journal stop teller told_file renewal
    host config config_sections config_probes kernel_list secret config_roll
    config_aliases config_alerts config_announce config_remedy
    alert
    state record outcome probe_answers policy
    instance interfaces interfaces_twin nic_files terminal exim retry_rules kernels debversion
    meter parallel
    config_values clock text verdict errors windows
"""

# These decide and judge. They get values and return values: no file, process, network, clock or environment.
PURE_TEXT = """
    remedies.bounds remedies.hole_rules remedies.suggest
    drain_plan drain_judge client_watch
    plan alias_plan alias_outcome aim rehearse checks nic nic_cause nic_forecast facts probe_outbound probe_peer
    config_aliases
    alert
    state record outcome probe_answers policy
    instance interfaces interfaces_twin nic_files terminal exim retry_rules kernels debversion
    text verdict errors
    roll_survey roll_plan roll_soak roll_state windows
"""


def dotted(names: str) -> tuple[str, ...]:
    return tuple(name if name == "cookbooks" else f"mxlib.{name}" for name in names.split())


FLOORS = tuple(dotted(line) for line in FLOORS_TEXT.strip().splitlines())
PURE = dotted(PURE_TEXT)
# Not pure, yet harmless to know: the protocol of a host that is passed in, and the configuration's types.
SEAMS = (
    "mxlib", "mxlib.host", "mxlib.config_sections", "mxlib.config_roll", "mxlib.config_probes", "mxlib.config_values",
    "mxlib.config_remedy",
)
PURE_LIBRARIES = frozenset({
    "__future__", "abc", "base64", "binascii", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime",
    "decimal", "difflib", "email", "enum", "fnmatch", "fractions", "functools", "hashlib", "heapq", "ipaddress",
    "itertools", "json", "math", "operator", "re", "shlex", "statistics", "string", "textwrap", "types", "typing",
    "uuid", "zoneinfo",
})
EXCUSED = {
    # The marker between the sections of a script has to be one that the host's own output cannot imitate.
    ("mxlib.facts.section", "secrets"),
    # Types only: where a file lies, and what a probe brought home.
    ("mxlib.policy", "pathlib"),
    ("mxlib.checks.probes", "mxlib.probe_outbound"),
    # Calendar rules: reckoning alone.
    ("mxlib.windows", "dateutil"),
    ("mxlib.checks.peers", "mxlib.probe_peer"),
}
IMPURE_CALLS = frozenset({"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"})
CLOCK_CALLS = frozenset({"now", "today", "utcnow"})

# Every library from outside the standard one, and the modules that may know it: the adapters.
OUTSIDE: dict[str, tuple[str, ...]] = {
    "spicerack": dotted(
        "cookbooks alias_session session wiring request nic_session verify_session extender cumin_host pool alerts "
        "alerts_read announce roll_session roll_fleet remedy_session ganeti_clusters nic_site"
    ),
    "wmflib": dotted("cookbooks slot alerts_read alerts announce ganeti_clusters"),
    "cumin": dotted("cumin_host"),
    "ClusterShell": dotted("cumin_host"),
    "conftool": dotted("pool"),
    "etcd": dotted("slot roll_memory probe_budget"),
    "urllib3": dotted("slot roll_memory probe_budget"),
    "requests": dotted("ganeti"),
    "pexpect": dotted("console"),
    "dateutil": dotted("windows"),
    "yaml": dotted("config kernel_list"),
}


@dataclass(frozen=True)
class Module:
    """A source file and what it imports, type-checking imports too: knowing a type is knowing."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))

    def imports(self) -> Iterator[str]:
        """Every imported dotted name; `from a import b` gives `a.b`, which may be a module or a name in one."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{self._origin(node)}.{alias.name}" for alias in node.names)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.path.name == "__init__.py" else self.name.split(".")[:-1]
        return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])

    def called_names(self) -> Iterator[tuple[int, str, bool]]:
        """Line, name and whether it is an attribute, of everything called."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield node.lineno, node.func.id, False
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield node.lineno, node.func.attr, True


def modules(root: Path, *tops: str) -> dict[str, Module]:
    """All modules under the given top directories, by dotted name."""
    found = {}
    for path in sorted(path for top in tops for path in (root / top).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path)
    return found


def covers(rule: str, name: str) -> bool:
    return name == rule or name.startswith(f"{rule}.")


def is_in(rules: tuple[str, ...], name: str) -> bool:
    return any(covers(rule, name) for rule in rules)


def floor(name: str) -> int | None:
    """Number of the floor, 0 is the top; None for a module nobody has given one."""
    if name == "mxlib":
        return len(FLOORS)
    return next((number for number, rules in enumerate(FLOORS) if is_in(rules, name)), None)


def resolve(imported: str, known: dict[str, Module]) -> str | None:
    """The module of this repository that an imported name comes from, None for a library."""
    while imported and imported not in known:
        imported = imported.rpartition(".")[0]
    return imported or None


def upward(known: dict[str, Module]) -> list[str]:
    """Imports from a lower floor to a higher one, and modules without a floor."""
    wrong = [f"{name}: has no floor, add it to FLOORS_TEXT" for name in known if floor(name) is None]
    for module in known.values():
        for imported in filter(None, (resolve(one, known) for one in module.imports())):
            here, there = floor(module.name), floor(imported)
            if here is not None and there is not None and there < here:
                wrong.append(f"{module.name}: imports {imported}, which lies above it")
    return wrong


def top_level(imported: str) -> str:
    return imported.partition(".")[0]


def unknown_libraries(known: dict[str, Module]) -> list[str]:
    """Imports of a library from outside by a module that is not an adapter for it."""
    return [
        f"{module.name}: imports {imported}"
        for module in known.values()
        for imported in module.imports()
        if resolve(imported, known) is None
        and top_level(imported) not in sys.stdlib_module_names
        and not is_in(OUTSIDE.get(top_level(imported), ()), module.name)
    ]


def impurities(known: dict[str, Module]) -> list[str]:
    """Where a pure module could touch the world."""
    wrong = []
    for module in (one for one in known.values() if is_in(PURE, one.name)):
        wrong += [f"{module.name}: imports {one}" for one in module.imports() if not harmless(module, one, known)]
        for line, name, is_attribute in module.called_names():
            if name in (CLOCK_CALLS if is_attribute else IMPURE_CALLS):
                wrong.append(f"{module.name}:{line}: calls {name}()")
    return wrong


def harmless(module: Module, imported: str, known: dict[str, Module]) -> bool:
    """Whether a pure module may import that."""
    ours = resolve(imported, known)
    if (module.name, ours or top_level(imported)) in EXCUSED:
        return True
    if ours:
        return is_in(PURE, ours) or ours in SEAMS
    return top_level(imported) in PURE_LIBRARIES


@pytest.fixture(scope="module")
def product() -> dict[str, Module]:
    return modules(ROOT, "mxlib", "cookbooks")


def test_imports_run_one_way(product: dict[str, Module]) -> None:
    assert upward(product) == []


def test_imports_run_in_no_circle(product: dict[str, Module]) -> None:
    graph = {
        module.name: {target for one in module.imports() if (target := resolve(one, product)) != module.name and target}
        for module in product.values()
    }
    list(graphlib.TopologicalSorter(graph).static_order())


def test_libraries_from_outside_are_known_to_adapters_only(product: dict[str, Module]) -> None:
    assert unknown_libraries(product) == []


def test_what_decides_and_judges_is_pure(product: dict[str, Module]) -> None:
    assert impurities(product) == []


def test_the_product_knows_neither_lab_nor_tests(product: dict[str, Module]) -> None:
    used = {(name, top_level(imported)) for name, module in product.items() for imported in module.imports()}
    assert [name for name, top in used if top in {"lab", "tests"}] == []


def test_the_lab_starts_on_a_machine_that_has_nothing_yet() -> None:
    """Its command runs with the machine's own Python; only what runs inside its stations may use Debian's packages."""
    lab = modules(ROOT, "lab")
    used = {(name, top_level(imported)) for name, module in lab.items() for imported in module.imports()}
    wrong = [(name, top) for name, top in used if top not in sys.stdlib_module_names and top != "lab"]
    assert [(name, top) for name, top in wrong if not (name.startswith("lab.world.") and top == "dns")] == []


@pytest.mark.parametrize(
    ("place", "line", "finder", "expected"),
    [
        ("mxlib/facts/kernel.py", "from mxlib.checks import kernel", upward, "mxlib.checks, which lies above it"),
        ("mxlib/facts/kernel.py", "from ..plan import x", upward, "mxlib.plan, which lies above it"),
        ("mxlib/plan.py", "from mxlib import run", upward, "mxlib.run, which lies above it"),
        ("mxlib/brand_new.py", "", upward, "has no floor"),
        ("mxlib/plan.py", "import subprocess", impurities, "imports subprocess"),
        ("mxlib/plan.py", "from mxlib.console import x", impurities, "imports mxlib.console.x"),
        ("mxlib/checks/kernel.py", "def f(p):\n    return open(p)", impurities, "calls open()"),
        ("mxlib/facts/kernel.py", "import datetime\nT = datetime.datetime.now()", impurities, "calls now()"),
        ("mxlib/facts/kernel.py", "if T:\n    from spicerack import x", unknown_libraries, "imports spicerack.x"),
        ("mxlib/host.py", "import cumin", unknown_libraries, "imports cumin"),
        ("mxlib/text.py", "import no_such_library", unknown_libraries, "imports no_such_library"),
    ],
)
def test_a_breach_is_found(tmp_path: Path, place: str, line: str, finder, expected: str) -> None:
    """The rules themselves are tried on a small tree with one breach each."""
    for name in ("__init__", "run", "plan", "host", "console", "text", "checks/__init__", "facts/__init__"):
        path = tmp_path / "mxlib" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert finder(modules(tmp_path, "mxlib")) == []
    (tmp_path / place).write_text(line, encoding="utf-8")
    assert [breach for breach in finder(modules(tmp_path, "mxlib")) if expected in breach] != []
