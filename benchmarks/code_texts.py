"""English and code from what Python ships: docstrings and source of the standard library."""

import ast
import hashlib
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

LEFT_OUT = {"antigravity", "encodings", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "this", "turtledemo"}
TEST_SHARE = 8

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def standard_library_texts(train_characters: int, test_characters: int) -> dict[str, str]:
    """Collect docstrings (prose) and source without docstrings and comments (code).

    Args:
        train_characters: length of each training text, at most.
        test_characters: length of each test text, at most.

    Returns:
        `prose_train`, `prose_test`, `code_train` and `code_test`, the same each time on one version of
        Python. No module is in a training and in a test text.
    """
    modules = _modules()
    test = [path for key, path in modules if key % TEST_SHARE == 0]
    train = [path for key, path in modules if key % TEST_SHARE]
    return {
        "prose_train": _collect(train, _prose, train_characters),
        "prose_test": _collect(test, _prose, test_characters),
        "code_train": _collect(train, _code, train_characters),
        "code_test": _collect(test, _code, test_characters),
    }


def _modules() -> list[tuple[int, Path]]:
    """Return the modules with a hash of their name, sorted by it: an order that mixes the packages."""
    root = Path(sysconfig.get_path("stdlib"))
    wanted = sys.stdlib_module_names - LEFT_OUT
    keyed = []
    for path in root.rglob("*.py"):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0].removesuffix(".py") in wanted and "test" not in name:
            keyed.append((int(hashlib.sha256(name.encode()).hexdigest(), 16), path))
    return sorted(keyed)


def _collect(paths: Iterable[Path], extract: Callable[[ast.Module], str], characters: int) -> str:
    found: list[str] = []
    length = 0
    for path in paths:
        if length >= characters:
            break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old modules have invalid escapes
            text = extract(ast.parse(path.read_bytes()))
        if text:
            found.append(text)
            length += len(text) + 2
    return "\n\n".join(found)[:characters]


def _prose(tree: ast.Module) -> str:
    docstrings = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, Documented))
    return "\n\n".join(text for text in docstrings if text and ">>>" not in text)


def _code(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, Documented) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
