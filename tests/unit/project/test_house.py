"""Check the layers of the project by its imports.

`ALLOWED` says which part may import which; all other checks count over all modules.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "src" / "patchctl"
STAGES = {"inventory", "discovery", "assessment", "plan", "rollout", "audit", "report"}

# Part of the package -> parts that it may import, besides itself. A right that is not used fails.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "models": {"errors"},
    "config": {"models", "errors"},
    "protocol": {"models", "errors"},
    "adapters": {"models", "errors", "protocol"},
    **{stage: {"models", "errors"} for stage in STAGES},
    "discovery": {"models", "protocol"},
    "plan": {"models", "errors", "protocol"},
    "report": {"models", "errors"},
    "executors": {"models", "errors", "protocol", "adapters", "plan"},
    "lab": {"models", "errors", "adapters"},
    # Adapters are given to a workflow by wiring, through Protocols.
    "workflows": STAGES - {"report"} | {"models", "errors", "protocol"},
    "wiring": {"inventory", "assessment", "rollout", "report"}
    | {"models", "errors", "config", "protocol", "adapters", "executors", "lab", "workflows"},
    "cli": {"models", "errors", "protocol", "workflows", "wiring", "report"},
    "__main__": {"cli"},
    "__init__": set(),
}

# Library -> the only part of the package that may import it.
ONE_IMPORTER = {
    "ansible_runner": "adapters/ansible/",
    "sqlalchemy": "adapters/database/",
    "alembic": "adapters/database/",
    "requests": "adapters/http.py",
    "cryptography": "adapters/ansible/inventory_cache.py",
    "ansible": "nowhere",
}

# The plan is made, hosts are told and understood, and the engine decides without touching anything.
NO_IO = {"os", "pathlib", "subprocess", "socket", "shutil", "tempfile", "time", "random"}


# What tells who asks and from where: only the command line looks, and hands it on as a `Caller`.
ABOUT_THE_CALLER = {
    *("os.environ", "os.environb", "os.getenv", "os.getcwd", "os.getcwdb", "os.getlogin"),
    *("Path.cwd", "Path.home", "getpass.getuser"),
}
# Whoever asks, what must not reach a disk lies in a place of this process's own user.
ABOUT_THE_PROCESS = {"adapters/memory.py"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def name_of(path: Path) -> str:
    parts = ["patchctl", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


KNOWN = {name_of(module) for module in modules()}


def part_of(name: str) -> str:
    """Return the part of the package that a module is in; the package itself is `__init__`."""
    return name.split(".")[1] if "." in name else "__init__"


def imports(path: Path) -> set[str]:
    """Return the full names of a module's imports, with the names taken from a package.

    Imports for type checkers count too: a layer that uses another layer's types depends on it.
    """
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            names = {f"{source}.{alias.name}" for alias in node.names}
            imported |= names if names <= KNOWN else {source, *names}
    return imported


def modules_imported(path: Path) -> set[str]:
    """Return the project's own modules among the imports."""
    return (imports(path) & KNOWN) - {"patchctl"}


@pytest.mark.parametrize("path", modules(), ids=relative)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    own = part_of(name_of(path))
    assert own in ALLOWED, f"{own} has no place in ALLOWED"
    for name in modules_imported(path):
        other = part_of(name)
        assert other == own or other in ALLOWED[own], f"{relative(path)} imports {name}"


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_a_layer_has_no_right_that_it_does_not_use(part: str) -> None:
    inside = [path for path in modules() if part_of(name_of(path)) == part]
    used = {part_of(name) for path in inside for name in modules_imported(path)}
    assert ALLOWED[part] - used == set()


@pytest.mark.parametrize("library", ONE_IMPORTER)
def test_a_library_has_one_importer(library: str) -> None:
    users = {
        relative(path)
        for path in modules()
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert {user for user in users if not user.startswith(ONE_IMPORTER[library])} == set()


@pytest.mark.parametrize("part", ["models", "protocol", "plan", "rollout"])
def test_what_decides_touches_nothing(part: str) -> None:
    for path in sorted((PACKAGE / part).rglob("*.py")):
        used = {name.split(".")[0] for name in imports(path)} & NO_IO
        assert not used, f"{relative(path)} imports {', '.join(sorted(used))}"


def test_a_workspace_is_paths_settings_and_adapters() -> None:
    own = {"errors", "models", "config", "adapters"}
    for name in ("workspace", "caller", "guards"):
        for imported in modules_imported(PACKAGE / "wiring" / f"{name}.py"):
            allowed = part_of(imported) in own or imported in (
                *("patchctl.wiring.caller", "patchctl.wiring.guards"),
            )
            assert allowed, f"wiring/{name}.py imports {imported}"


def test_the_command_line_leaves_adapters_to_wiring() -> None:
    for path in sorted((PACKAGE / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("database", "store", "runner", "connection"), (
                    f"{relative(path)}:{node.lineno} takes {ast.unparse(node)}"
                )


def test_only_the_command_line_asks_who_calls_it() -> None:
    asking = set()
    for path in modules():
        tree = ast.parse(path.read_text())
        used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        if (used | imports(path)) & ABOUT_THE_CALLER:
            asking.add(relative(path))
    assert {name for name in asking if not name.startswith("cli/")} == ABOUT_THE_PROCESS
    assert "cli/caller.py" in asking


def test_a_file_has_at_most_500_lines() -> None:
    folders = (
        "src",
        "roles",
        "playbooks",
        "tests/unit",
        "tests/integration",
        "benchmarks",
        "scripts",
    )
    code = [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".sh") or path.parent.name == "scripts"
    ]
    assert len(code) > 500
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in code}
    assert {name: count for name, count in lines.items() if count > 500} == {}


def test_imports_have_no_circle() -> None:
    graph = {name_of(path): modules_imported(path) - {name_of(path)} for path in modules()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " > ".join((*above[above.index(name) :], name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda path: str(path.name)
)
def test_a_command_is_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and any(
            ast.unparse(decorator).startswith("app.command") for decorator in node.decorator_list
        ):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{path.name}: {node.name} has {length} lines"


def test_only_the_output_module_prints() -> None:
    for path in modules():
        if relative(path) in ("cli/output.py", "cli/app.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.exit")
            assert not called or relative(path) == "__main__.py", (
                f"{relative(path)} prints or exits"
            )


def test_no_command_asks_which_format_was_asked_for() -> None:
    """A verb shows a view; which formats there are, and what each does with it, `report/` knows."""
    deciding = (ast.Compare, ast.BoolOp, ast.Match)
    for path in sorted((PACKAGE / "cli").glob("*.py")):
        tree = ast.parse(path.read_text())
        asked: list[ast.AST] = [node for node in ast.walk(tree) if isinstance(node, deciding)]
        for node in ast.walk(tree):
            if isinstance(node, (ast.If, ast.IfExp, ast.While)):
                asked.append(node.test)
            elif isinstance(node, ast.comprehension):
                asked += node.ifs
        for question in asked:
            words = set(re.findall(r"\w+", ast.unparse(question)))
            assert not words & {"form", "_form", "Format"}, (
                f"{relative(path)}: {ast.unparse(question)}"
            )
