"""The fences of the house: sizes, names, faces, and who spells the keys of a row."""

import ast
import statistics
from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path

import pytest

from fastflow.evaluation.measurement import KEYS

ROOT = Path(__file__).parents[1]
TREES = [ROOT / "fastflow", *sorted((ROOT / "plugins").glob("fastflow_*"))]
MODULES = [path for tree in TREES for path in sorted(tree.rglob("*.py"))]
PARSED = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
FACES = {path.parent.name for path in (ROOT / "fastflow").glob("*/__init__.py")}


def name_of(path):
    return str(path.relative_to(ROOT))


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_folder_has_more_than_nine_modules():
    counts = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert not {name_of(folder): n for folder, n in counts.items() if n > 9}


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_no_module_name_occurs_twice_in_a_package(tree):
    names = Counter(p.stem for p in tree.rglob("*.py") if p.name != "__init__.py")
    assert not [name for name, count in names.items() if count > 1]


def public_names(path):
    """Yields the public names that a module defines at its top level."""
    for node in PARSED[path].body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))


def test_no_public_name_is_defined_twice():
    places = defaultdict(list)
    for path in MODULES:
        for name in set(public_names(path)):
            # plugins implement hooks by the hooks' names
            if not name.startswith(("_", "fastflow_")):
                places[name].append(name_of(path))
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_the_face_has_about_twenty_names():
    import fastflow

    assert 15 <= len(fastflow.__all__) <= 24


def core_imports(path):
    """Yields the modules of the core that a module imports from."""
    for node in ast.walk(PARSED[path]):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_plugins_import_the_faces_of_the_core_and_nothing_below():
    plugins = [path for path in MODULES if "plugins" in path.relative_to(ROOT).parts]
    allowed = {"fastflow", *(f"fastflow.{face}" for face in FACES)}
    below = {
        (name_of(path), module)
        for path in plugins
        for module in core_imports(path)
        if module.split(".")[0] == "fastflow" and module not in allowed
    }
    assert not below


def test_the_keys_of_a_sample_are_spelled_in_one_file():
    """Nobody else subscripts a row, or looks a key up that only a row has."""
    distinctive = KEYS - {"prompt", "task", "seed", "index", "calls", "computed", "metrics"}
    distinctive -= {"seconds", "image", "item", "gram", "converged", "failure", "repeat", "rms"}
    found = []
    for path in MODULES:
        if path.name in ("measurement.py", "summary.py") or "plugins" in path.parts:
            continue
        for node in ast.walk(PARSED[path]):
            key = getattr(getattr(node, "slice", None), "value", None)
            if isinstance(node, ast.Subscript) and key in distinctive:
                found.append((name_of(path), key))
    assert not found


def test_modules_and_functions_are_small():
    lengths = [len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES]
    whole = [n for n, p in zip(lengths, MODULES, strict=True) if p.name != "__init__.py"]
    assert statistics.median(whole) <= 130
    assert max(whole) <= 300
    bodies = sorted(map(body_lines, chain.from_iterable(map(functions, PARSED.values()))))
    assert statistics.median(bodies) <= 5
    assert bodies[int(0.95 * len(bodies))] <= 20


def body_lines(function):
    """Returns how many lines a function's body has, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def unannotated(node, inside_class):
    """Yields the parameters of a function that have no type, and its return."""
    args = node.args
    given = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    given += [a for a in (args.vararg, args.kwarg) if a]
    skip = 1 if inside_class and not any(_is_static(d) for d in node.decorator_list) else 0
    yield from (a.arg for a in given[skip:] if a.annotation is None)
    if node.returns is None and node.name not in ("__init__", "__post_init__"):
        yield "return"


def _is_static(decorator):
    return isinstance(decorator, ast.Name) and decorator.id == "staticmethod"


def public_functions(tree, inside_class=False):
    """Yields the public functions of a module and of its public classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node, True)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, inside_class


def test_every_public_function_is_annotated():
    lacking = [
        (name_of(path), node.name, name)
        for path, tree in PARSED.items()
        for node, inside in public_functions(tree)
        for name in unannotated(node, inside)
    ]
    assert not lacking
