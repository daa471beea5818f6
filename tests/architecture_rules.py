"""The rules of the house, read off the source: layers, purity, integers on the decision path, size.

Every rule is a function from one module to its breaches; `test_architecture.py` holds the tree against them, and shows
that each of them can fail.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPPED = ("worker", "wasm_classifier", "gateway")
CHECKED = (*SHIPPED, "tests", "bench", "deploy", "docs", "presentation", "sdk")
NOT_OURS = {".venv", "node_modules", "python_modules", "build", ".tools", ".wrangler", ".state", "__pycache__"}
FILE_LINES = 400
FUNCTION_LINES = 60

# Layers: what a room may import besides the standard library; None means anything not FORBIDDEN to it.
ALLOWED = {
    "classifier": {"wasm_classifier"},
    "core": {"pydantic", "starlette", "httpx", "wasm_classifier", "worker"},
    # anyio is Starlette's own dependency; the edge imports it early to keep it out of the first request.
    "edge": {"pydantic", "starlette", "httpx", "wasm_classifier", "worker", "anyio"}
    | {"js", "pyodide", "_pyodide", "pyodide_js", "_pyodide_core", "workers", "_workers_sdk", "_cloudflare"},
    "gateway": None,
}
FORBIDDEN = {"gateway": {"js", "pyodide", "_pyodide", "pyodide_js", "workers"}}
EDGE_ONLY = ("worker.edge", "worker.entry")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Purity: doors to the clock, chance, the environment, files, the network and threads.
IMPURE_MODULES = _words(
    """time random secrets uuid os pathlib socket ssl select selectors subprocess threading multiprocessing tempfile
    shutil glob fileinput signal sqlite3 sched http.client urllib.request ftplib smtplib logging.handlers logging.config
    concurrent.futures mmap importlib.resources getpass platform"""
)
IMPURE_CALLS = _words("open input print exec eval breakpoint __import__")
CLOCK_METHODS = _words("now utcnow today")
CLOCK_OWNERS = _words("datetime date")
SHARED_PRIMITIVES = _words("Lock Event Queue LifoQueue PriorityQueue Semaphore BoundedSemaphore Condition Barrier")
LOG_SINKS = _words("addHandler basicConfig StreamHandler FileHandler")

# Import time: calls that only make a value, and constructors that would open, start or share something.
PURE_CALLS = _words(
    """compile frozenset set dict list tuple bytes bytearray str int float bool range len sorted zip enumerate reversed
    map filter sum min max abs ord chr cast field namedtuple getLogger getattr fromkeys maketrans encode decode join
    split strip lstrip rstrip replace items keys values fromhex translate itemgetter attrgetter partial union index
    datetime date timedelta isinstance build_encoder"""
)
LIVE_CONSTRUCTORS = re.compile(
    r"^(Lock|Event|Queue|Semaphore|Condition|Popen|Starlette|Thread)$"
    r"|(Client|ClientSession|(Thread|Process|Connection)Pool|Executor|Server|Database|Transport|Connection|Socket)$"
)

DECISION_PATH = ("worker/canon/", "worker/routing/", "worker/covenant/", "worker/ledger/", "wasm_classifier/")
INEXACT_MODULES = ("math", "cmath", "unicodedata", "statistics", "locale")
INEXACT_CALLS = _words("float round complex")
UNICODE_METHODS = _words(
    """lower upper casefold title capitalize swapcase isdigit isalpha isalnum isdecimal isnumeric isspace islower
    isupper"""
)
UNICODE_CLASSES = re.compile(r"(?<!\\)(?:\\\\)*\\[wWdDsSbB]")

# Where everything that can be raised may be caught and kept: an adapter, or the outermost edge of a handler.
CATCH_ALL = ("gateway/adapters/", "worker/edge/", "worker/entry.py", "worker/app.py")


@dataclass(frozen=True)
class Module:
    path: str
    source: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """Which layer the module belongs to; "" for what no layer rule binds."""
        if self.path.startswith("worker/edge/") or self.path == "worker/entry.py":
            return "edge"
        if self.path == "wasm_classifier/train.py":
            return ""
        return {"worker": "core", "wasm_classifier": "classifier", "gateway": "gateway"}.get(
            self.path.split("/")[0], ""
        )

    @property
    def name(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def at(self, node: ast.AST, breach: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 0)}: {breach}"


def module_of(path: str, source: str) -> Module:
    return Module(path, source, ast.parse(source))


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for folder in CHECKED:
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = file.relative_to(ROOT)
            if not NOT_OURS.intersection(path.parts):
                found.append(module_of(path.as_posix(), file.read_text(encoding="utf-8")))
    return tuple(found)


def imports(module: Module, nodes: Iterator[ast.AST] | None = None) -> Iterator[tuple[ast.AST, str]]:
    """Every imported dotted name, `from a import b` as `a.b`, relative ones made absolute."""
    for node in nodes or ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.path.split("/")[: -node.level]
                base = ".".join([*package, base] if base else package)
            for alias in node.names:
                yield node, f"{base}.{alias.name}"


def within(name: str, packages: Collection[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def called(node: ast.Call) -> str:
    """The last name of what is called: `c` of `a.b.c()`."""
    function = node.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def owner(node: ast.AST) -> str:
    return ast.unparse(node.value) if isinstance(node, ast.Attribute) else ""


def imports_stay_in_their_layer(module: Module) -> Iterator[str]:
    room = module.room
    if not room:
        return
    allowed = ALLOWED[room]
    for node, name in imports(module):
        top = name.split(".")[0]
        upward = room != "edge" and within(name, EDGE_ONLY)
        outside = (
            allowed is not None and top not in sys.stdlib_module_names and top not in allowed and top != "__future__"
        )
        if upward or outside or top in FORBIDDEN.get(room, ()):
            yield module.at(node, f"{room} imports {name}")


def core_has_no_host_of_its_own(module: Module) -> Iterator[str]:
    if module.room not in ("core", "classifier"):
        return
    for node, name in imports(module):
        if within(name, IMPURE_MODULES) or (within(name, ("io",)) and name.rpartition(".")[2] in ("io", "open")):
            yield module.at(node, f"the core imports {name}")
        if within(name, ("asyncio", "anyio")) and name.rpartition(".")[2] in SHARED_PRIMITIVES:
            yield module.at(node, f"the core imports {name}")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield module.at(node, f"the core calls {node.func.id}()")
        if not isinstance(node, ast.Attribute):
            continue
        clock = node.attr in CLOCK_METHODS and owner(node).split(".")[-1] in CLOCK_OWNERS
        primitive = node.attr in SHARED_PRIMITIVES and owner(node) in ("asyncio", "anyio")
        if clock or primitive or node.attr in LOG_SINKS:
            yield module.at(node, f"the core uses {ast.unparse(node)}")


def nothing_happens_at_import(module: Module) -> Iterator[str]:
    if module.path.split("/")[0] in SHIPPED:
        yield from effects(module, module.tree.body)


def effects(module: Module, body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
            continue
        if isinstance(node, ast.ClassDef):
            yield from effects(module, node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for default in (*node.args.defaults, *(default for default in node.args.kw_defaults if default)):
                yield from live_calls(module, default)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            if node.value is not None:
                yield from live_calls(module, node.value)
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "sys.version_info >= (3, 12)"):
            yield from effects(module, [*node.body, *node.orelse])
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            continue
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield module.at(node, f"{type(node).__name__} at import")


def live_calls(module: Module, value: ast.AST, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Calls in something evaluated at import that do more than make a value; looks into the module's own functions."""
    own = {node.name: node for node in module.tree.body if isinstance(node, ast.FunctionDef)}
    waiting: list[ast.AST] = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Lambda):
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if not isinstance(node, ast.Call):
            continue
        name = called(node)
        live = bool(LIVE_CONSTRUCTORS.search(name))
        if isinstance(node.func, ast.Name) and name in own:
            if name not in seen:
                yield from live_calls(module, own[name], seen | {name})
        elif live or not (name.lstrip("_")[:1].isupper() or name in PURE_CALLS):
            yield module.at(node, f"{name or 'a call'}() at import")


def decisions_are_exact(module: Module) -> Iterator[str]:
    if not module.path.startswith(DECISION_PATH) or module.path == "wasm_classifier/train.py":
        return
    for node, name in imports(module):
        if within(name, INEXACT_MODULES):
            yield module.at(node, f"{name} on the decision path")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield module.at(node, "a float on the decision path")
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield module.at(node, "true division on the decision path")
        elif isinstance(node, ast.Attribute) and node.attr in UNICODE_METHODS:
            yield module.at(node, f".{node.attr} on the decision path")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in INEXACT_CALLS:
            yield module.at(node, f"{node.func.id}() on the decision path")
        elif isinstance(node, ast.Call) and owner(node.func) == "re" and "ASCII" not in ast.unparse(node):
            texts = [
                part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ]
            if any(UNICODE_CLASSES.search(text) for text in texts) or (texts and "IGNORECASE" in ast.unparse(node)):
                yield module.at(node, "a Unicode class or case in a pattern on the decision path")


def sha3_is_never_hashlibs(module: Module) -> Iterator[str]:
    if module.path.startswith("tests/"):
        return
    for node, name in imports(module):
        if name.startswith(("hashlib.sha3_", "hashlib.shake_")):
            yield module.at(node, f"{name} outside tests")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith(("sha3_", "shake_")) and owner(node) == "hashlib":
            yield module.at(node, f"hashlib.{node.attr} outside tests")
        elif isinstance(node, ast.Call) and re.match(r"hashlib\.(new|file_digest)\(.*(sha3|shake)", ast.unparse(node)):
            yield module.at(node, "SHA3 through hashlib outside tests")


def nothing_is_too_long(module: Module) -> Iterator[str]:
    lines = module.source.count("\n")
    if lines > FILE_LINES:
        yield f"{module.path}: {lines} lines"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield module.at(node, f"{node.name} has {length} lines")


def no_file_is_called_utils(module: Module) -> Iterator[str]:
    if module.path.rpartition("/")[2] in ("utils.py", "util.py", "helpers.py", "misc.py", "common.py"):
        yield f"{module.path}: a name that says nothing"


def ignored_types_say_which(module: Module) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(module.source).readline):
        if token.type == tokenize.COMMENT and re.search(r"type:\s*ignore(?!\[)", token.string):
            yield f"{module.path}:{token.start[0]}: a bare type: ignore"


def only_edges_catch_everything(module: Module) -> Iterator[str]:
    if module.path.split("/")[0] not in SHIPPED or module.path.startswith(CATCH_ALL):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            cleans_up = ast.unparse(node.body[-1]) == "raise"
            if not cleans_up and any(
                kind is None or ast.unparse(kind) in ("Exception", "BaseException") for kind in kinds
            ):
                yield module.at(node, "catches everything and keeps it")


Rule = Callable[[Module], Iterator[str]]
RULES: tuple[Rule, ...] = (
    imports_stay_in_their_layer,
    core_has_no_host_of_its_own,
    nothing_happens_at_import,
    decisions_are_exact,
    sha3_is_never_hashlibs,
    nothing_is_too_long,
    no_file_is_called_utils,
    ignored_types_say_which,
    only_edges_catch_everything,
)


def import_cycles(tree: tuple[Module, ...]) -> list[str]:
    """Cycles among module-level imports; those inside functions and under TYPE_CHECKING do not run at import."""
    names = {module.name for module in tree}
    edges: dict[str, list[str]] = {}
    for module in tree:
        direct = iter([node for node in module.tree.body if isinstance(node, ast.Import | ast.ImportFrom)])
        targets = {name if name in names else name.rpartition(".")[0] for _, name in imports(module, direct)}
        edges[module.name] = sorted((targets & names) - {module.name})
    done: set[str] = set()
    found = []

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            found.append(" -> ".join((*trail[trail.index(name) :], name)))
        elif name not in done:
            for target in edges[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in sorted(edges):
        visit(name, ())
    return found
