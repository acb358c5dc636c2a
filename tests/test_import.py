"""What happens when ComfyUI starts: the pack is read, and nothing else."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [ROOT / "__init__.py", *sorted((ROOT / "nodes").rglob("*.py"))]

HEAVY = {"httpx", "pydantic", "pydantic_core", "numpy", "PIL", "av", "torch", "aiohttp", "requests", "comfy", "server"}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__", "breakpoint"}
FORBIDDEN_MODULES = {
    "pickle", "dill", "cloudpickle", "marshal", "shelve", "subprocess", "multiprocessing", "pty", "pip", "ensurepip",
    "venv", "ctypes", "cffi", "code", "codeop", "runpy", "builtins", "webbrowser",
}  # fmt: skip
FORBIDDEN_CALLS = re.compile(
    r"os\.(system|popen|exec\w+|fork\w*|spawn\w+|posix_spawn\w*|startfile)|importlib\.import_module|torch\.load"
    r"|.*\.(create_subprocess_\w+|subprocess_(exec|shell)|load_module|exec_module)"
)


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def at_import(node):
    """What runs when a module is imported: no function's body, and nothing that only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from at_import(child)


def imported(path):
    """The modules that a file imports when it is imported: (name, file if it is one of the pack)."""
    for node in at_import(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module, None
        elif isinstance(node, ast.ImportFrom):
            folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            yield from ((alias.name, file_of(folder / alias.name) or file_of(folder)) for alias in node.names)


def file_of(place):
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def loaded_at_start():
    """The files of the pack that ComfyUI's start loads, packages included."""
    found, waiting = set(), [ROOT / "nodes" / "extension.py"]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for _, file in imported(path) if file]
            waiting += [each for each in [path.parent / "__init__.py"] if each.is_file()]
    return found


def test_the_start_loads_no_heavy_module():
    files = loaded_at_start()
    assert ROOT / "nodes" / "runware" / "fields.py" in files
    heavy = {(path.name, name) for path in files for name, _ in imported(path) if name.split(".")[0] in HEAVY}
    assert heavy == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_is_made_at_run_time_and_no_program_started(path):
    used = {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}
    assert not used & FORBIDDEN_NAMES
    modules = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module.split(".")[0])
    assert not modules & FORBIDDEN_MODULES
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    assert not [name for name in (ast.unparse(node.func) for node in calls) if FORBIDDEN_CALLS.fullmatch(name)]
    assert not [word for node in calls for word in node.keywords if word.arg == "allow_pickle"]


STUB = """
import sys, types
class Meta(type):
    def __getattr__(cls, name):
        if name.startswith("__"): raise AttributeError(name)
        return Anything
class Anything(metaclass=Meta):
    def __init__(self, *_, **__): pass
    def __getattr__(self, name): return Anything
latest = types.ModuleType("comfy_api.latest")
latest.__getattr__ = lambda name: Anything
sys.modules["comfy_api"] = types.ModuleType("comfy_api"); sys.modules["comfy_api.latest"] = latest
import asyncio, dataclasses, logging, importlib.util, threading  # the interpreter's own, which open files of theirs
"""
WATCH = """
done = []
def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if not str(path).endswith((".py", ".pyc")) or (mode and set(mode) & set("wax+")):
            done.append((event, str(path)))
    elif event.split(".")[0] in ("socket", "subprocess", "shutil", "urllib", "ftplib", "ctypes"): done.append((event,))
    elif event in ("os.mkdir", "os.remove", "os.rename", "os.chmod", "os.putenv", "os.unsetenv", "os.system",
                   "_thread.start_new_thread", "tempfile.mkstemp", "tempfile.mkdtemp"): done.append((event,))
sys.addaudithook(watch)
environment = dict(os.environ)
"""
START = """
spec = importlib.util.spec_from_file_location("pack_x_", sys.argv[1], submodule_search_locations=[sys.argv[2]])
module = importlib.util.module_from_spec(spec); sys.modules["pack_x_"] = module
spec.loader.exec_module(module)
def run(coroutine):
    try: coroutine.send(None)
    except StopIteration as stop: return stop.value
nodes = run(run(module.comfy_entrypoint()).get_node_list())
assert len(nodes) == 5
assert dict(os.environ) == environment
assert threading.active_count() == 1
print(done)
"""


def test_the_start_opens_nothing_starts_nothing_and_changes_nothing():
    program = "import os\n" + STUB + WATCH + START
    run = subprocess.run(
        [sys.executable, "-B", "-c", program, str(ROOT / "__init__.py"), str(ROOT)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, cwd=ROOT / "tests",
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
