"""Who may import whom; the contracts stand in pyproject.toml."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_imports_run_one_way() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr


def test_no_asyncio_and_no_time_sleep_anywhere() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{number}"
        for package in ("aeon", "actors", "storage", "migrations", "tests")
        for path in sorted((ROOT / package).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.lstrip().startswith(("import asyncio", "from asyncio"))
    ]

    assert offenders == []


def test_one_module_alone_reaches_into_hypercorn() -> None:
    importers = {
        str(path.relative_to(ROOT))
        for package in ("aeon", "actors", "storage", "migrations")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for module in modules_imported(node)
        if module.partition(".")[0] == "hypercorn"
    }

    assert importers == {"aeon/net/hypercorn.py"}


def modules_imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
