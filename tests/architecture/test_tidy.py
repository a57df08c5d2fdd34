"""The house is tidy: sizes, names, pure rooms, and nothing that belongs to one machine only."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400

LONGER_WITH_REASON: dict[str, str] = {}
"""`path` or `path::function` -> why it may be longer: a table or a state machine that is read as one."""

DIVIDING_WITH_REASON = {
    "libs/common/src/sps/ledger/fx.py": "divides Fractions, exactly",
    "libs/common/src/sps/transactions/schemas_export.py": "joins paths",
}

BAD_NAMES = re.compile(r"(?:.*_)?(?:utils?|helpers?|misc|base|types|managers?|common|stuff)")
PURE_ROOMS = (
    *(
        f"libs/common/src/sps/{name}.py"
        for name in ("currencies", "money", "identifiers", "canonical", "signing")
    ),
    *(f"libs/common/src/sps/{name}/**/*.py" for name in ("transactions", "ledger", "escrow", "chain")),
    "services/*/src/*/core/**/*.py",
)
IMPURE_CALLS = re.compile(
    r"""(?x)
    (?:.*\.)? (?: now | utcnow | today | urandom | getrandom | time_ns | monotonic | monotonic_ns
                | perf_counter | perf_counter_ns | uuid1 | uuid4 | token_bytes | token_hex | sleep )
    | time\.time | random\..* | secrets\..* | os\..* | open | input | print | hash | id | eval | exec
    """
)
OF_ONE_MACHINE = re.compile(
    r"""(?x)
    (?<![\w.~-]) / (?: work | root | Users | home/(?!sps\b)\w+ ) /
    | [A-Z]:\\Users
    | pypi\.org | pythonhosted\.org | npmjs\.(?:org|com) | proxy\.golang\.org | artifactory
    | (?<!emit-)(?:extra-)?index-url | (?<!emit-)trusted-host
    """
)
LOCKS_WITH_ADDRESSES = {"uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock"}


@cache
def files() -> tuple[str, ...]:
    """All that is, or is about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 fixed words
    return tuple(sorted(path for path in listed.splitlines() if (ROOT / path).is_file()))


def python_files() -> list[str]:
    return [path for path in files() if path.endswith(".py")]


def pure_files() -> list[str]:
    return sorted({str(p.relative_to(ROOT)) for room in PURE_ROOMS for p in ROOT.glob(room)})


@cache
def tree_of(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def long_functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield node.name, lines


def floats(tree: ast.AST) -> Iterator[int]:
    """Lines with a float: a literal, the type, or a division that makes one."""
    for node in ast.walk(tree):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
        named = isinstance(node, ast.Name) and node.id in {"float", "complex"}
        if literal or named:
            yield node.lineno


def divisions(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield node.lineno


def impurities(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Calls of a clock, of chance, of the world; waiting; and `hash`, which differs from process to process."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno, "await"
        elif isinstance(node, ast.Call) and IMPURE_CALLS.fullmatch(ast.unparse(node.func)):
            yield node.lineno, ast.unparse(node.func)


def text_of(path: str) -> str:
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_the_files_are_found():
    assert "pyproject.toml" in files()
    assert "libs/common/src/sps/money.py" in pure_files()


def test_no_file_is_longer_than_four_hundred_lines():
    counts = {path: text_of(path).count("\n") for path in python_files()}
    assert {p: n for p, n in counts.items() if n > FILE_LINES_MAX and p not in LONGER_WITH_REASON} == {}


def test_no_function_is_longer_than_sixty_lines():
    found = {
        f"{path}::{name}": lines for path in python_files() for name, lines in long_functions(tree_of(path))
    }
    assert {name: lines for name, lines in found.items() if name not in LONGER_WITH_REASON} == {}


def test_every_exception_has_a_reason_and_is_still_needed():
    known = {path.partition("::")[0] for path in LONGER_WITH_REASON} | set(DIVIDING_WITH_REASON)
    assert known <= set(files())
    assert all(reason.strip() for reason in (LONGER_WITH_REASON | DIVIDING_WITH_REASON).values())
    assert all(any(divisions(tree_of(path))) for path in DIVIDING_WITH_REASON)


def test_no_module_has_a_name_that_says_nothing():
    names = {
        part.removesuffix(".py") for path in python_files() for part in path.split("/src/")[-1].split("/")
    }
    allowed = {"common"}
    assert {name for name in names - allowed if BAD_NAMES.fullmatch(name)} == set()


def test_there_is_no_float_in_a_pure_room():
    assert [f"{path}:{line}" for path in pure_files() for line in floats(tree_of(path))] == []


def test_there_is_no_division_that_makes_a_float_in_a_pure_room():
    rooms = [path for path in pure_files() if path not in DIVIDING_WITH_REASON]
    assert [f"{path}:{line}" for path in rooms for line in divisions(tree_of(path))] == []


def test_there_is_no_clock_no_chance_and_no_waiting_in_a_pure_room():
    found = [f"{path}:{line} {what}" for path in pure_files() for line, what in impurities(tree_of(path))]
    assert found == []


def test_nothing_names_a_place_of_one_machine_or_the_address_of_a_registry():
    this = str(Path(__file__).relative_to(ROOT))
    found = [
        f"{path}:{number} {hit.group()}"
        for path in files()
        if path != this
        for number, line in enumerate(text_of(path).splitlines(), 1)
        for hit in OF_ONE_MACHINE.finditer(line)
    ]
    assert found == []


def test_there_is_no_lock_file_that_names_a_registry():
    assert {path for path in files() if Path(path).name in LOCKS_WITH_ADDRESSES} == set()


@pytest.mark.parametrize(
    "code",
    [
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "time.time()",
        "time.monotonic()",
        "os.urandom(8)",
        "random.random()",
        "secrets.token_bytes(8)",
        "uuid.uuid4()",
        "hash(x)",
        "open(x)",
        "print(x)",
        "async def f(): await g()",
    ],
)
def test_the_check_for_purity_bites(code):
    assert list(impurities(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["state.now_ms", "self.time_ms(x)", "hashlib.sha256(x)", "identity(x)", "known(x)"]
)
def test_the_check_for_purity_lets_pure_code_pass(code):
    assert list(impurities(ast.parse(code))) == []


def test_the_checks_for_floats_and_length_bite():
    assert list(floats(ast.parse("x = 1.0")))
    assert list(floats(ast.parse("def f(x: float): ...")))
    assert list(divisions(ast.parse("x = a / b")))
    assert list(divisions(ast.parse("x /= b")))
    assert not list(divisions(ast.parse("x = a // b")))
    assert list(long_functions(ast.parse("def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX)))


@pytest.mark.parametrize(
    "text", ["/" + "work/main", "see /" + "home/alice/x", "https://pypi" + ".org/simple"]
)
def test_the_check_for_places_bites(text):
    assert OF_ONE_MACHINE.search(text)


@pytest.mark.parametrize(
    "text", ["network/main", "--no-emit-index-url", "docs/" + "work/", "/home/sps/state"]
)
def test_the_check_for_places_lets_ordinary_text_pass(text):
    assert not OF_ONE_MACHINE.search(text)
