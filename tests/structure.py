"""The structure of the code: ``python -m tests.structure [--fits]``.

Prints import cycles, private names used across modules, and with ``--fits`` the files that
``ContextEncoder.fit`` and ``Recommender.fit`` pass through.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("corpora", "conec", "simec")
# imported in methods: explanations plot themselves, and plots take explanations
LAZY = {("simec.explain.explanation", "simec.explain.plotting"),
        ("simec.explain.explanation", "simec.explain.html_report")}  # fmt: skip


def modules(*packages: str) -> dict[str, Path]:
    """All modules of some packages, by their dotted names."""
    found = {}
    for package in packages or PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules that a module imports: at its top, in functions, or for type checkers alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & set(known)


def cycles(*packages: str) -> list[list[str]]:
    """Groups of modules that import one another in a cycle."""
    known = modules(*packages)
    graph = {
        name: {to for to in imports(path, known) if to != name and (name, to) not in LAZY}
        for name, path in known.items()
    }
    # Tarjan's algorithm: strongly connected components
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for to in sorted(graph[name]):
            if to not in index:
                visit(to)
                low[name] = min(low[name], low[to])
            elif to in stack:
                low[name] = min(low[name], index[to])
        if low[name] == index[name]:
            component = []
            while True:
                component.append(stack.pop())
                if component[-1] == name:
                    break
            if len(component) > 1:
                found.append(sorted(component))

    for name in graph:
        if name not in index:
            visit(name)
    return found


_NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}  # public, in spite of their names


def private_uses(*packages: str) -> list[str]:
    """Private names of another module that a module imports or accesses."""
    uses = []
    for path in modules(*packages).values():
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        defined = _defined_names(nodes)
        external = {
            alias.asname or alias.name
            for node in nodes
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.name.split(".")[0] not in PACKAGES
        }
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
                names = [alias.name for alias in node.names if _is_private(alias.name)]
                uses += [f"{_place(path, node)}: imports {node.module}.{name}" for name in names]
            elif isinstance(node, ast.Attribute) and _is_private(node.attr):
                base = node.value.id if isinstance(node.value, ast.Name) else ""
                allowed = base in {"self", "cls"} | external or node.attr in _NAMED_TUPLE
                if not allowed and node.attr not in defined:
                    uses.append(f"{_place(path, node)}: uses {ast.unparse(node)}")
    return uses


def _place(path: Path, node: ast.stmt | ast.expr) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def _defined_names(nodes: list[ast.AST]) -> set[str]:
    """Names of functions, classes and attributes that a module defines."""
    names = set()
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("self", "cls")
        ):
            names.add(node.attr)
    return names


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def files_passed(call: Callable[[], Any]) -> list[str]:
    """Files of the project whose functions are executed in a call."""
    found: set[str] = set()

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name not in ("<module>", "__getattr__"):
            found.add(frame.f_code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    inside = (Path(name) for name in found if name.startswith(str(ROOT)))
    return sorted(
        str(path.relative_to(ROOT))
        for path in inside
        if path.relative_to(ROOT).parts[0] in PACKAGES
    )


def fit_context_encoder() -> list[str]:
    """Files that `ContextEncoder.fit` passes through, on a small file of text."""
    from gensim.test.utils import datapath

    import conec

    model = conec.ContextEncoder(vector_size=10, min_count=2, epochs=1)
    model.fit(datapath("lee_background.cor"))  # once before, so that nothing is imported
    return files_passed(lambda: model.fit(datapath("lee_background.cor")))


def fit_recommender() -> list[str]:
    """Files that `Recommender.fit` passes through, on a few ratings."""
    from simec.recommender import Recommender

    ratings = [(u, i, float((u * i) % 5)) for u in range(20) for i in range(12) if (u + i) % 3]
    recommender = Recommender(4)
    recommender.fit(ratings)
    return files_passed(lambda: recommender.fit(ratings))


def main() -> None:
    """Print cycles, private uses and files."""
    for group in (*cycles(), *cycles("benchmarks")):
        print("cycle:", ", ".join(group))
    for use in private_uses():
        print("private:", use)
    if "--fits" in sys.argv:
        for function in (fit_context_encoder, fit_recommender):
            passed = function()
            print(f"{function.__name__}: {len(passed)} files")
            print("  " + "\n  ".join(passed))


if __name__ == "__main__":
    main()
