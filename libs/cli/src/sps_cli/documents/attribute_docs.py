"""The text under an attribute of a class, which Python forgets and the source still has."""

import ast
import inspect
import textwrap
from functools import cache


def attribute_docs(kind: type) -> dict[str, str]:
    """Attribute to the text under it, for a class and those that it inherits from; the nearest counts."""
    docs: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.partition(".")[0] not in {"builtins", "pydantic", "pydantic_settings", "msgspec"}:
            docs |= _own(each)
    return docs


@cache
def _own(kind: type) -> dict[str, str]:
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    if not isinstance(body, ast.ClassDef):
        return {}
    docs: dict[str, str] = {}
    name = ""
    for node in body.body:
        if name and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docs[name] = inspect.cleandoc(str(node.value.value))
        name = _name_of(node)
    return docs


def _name_of(node: ast.stmt) -> str:
    """The attribute that a statement declares, empty for other statements."""
    return node.target.id if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else ""
