"""What a condition reads and compares with, found in its text: fields, literals, numbers, functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import cel

from governance.policy import Rule
from governance.sequence import readable
from governance.vocabulary import ARGS, DECIDABLE, FIELDS, FUNCTIONS, STANDARD, Kind

_TEXT = r"""(?:"[^"\\\n]*"|'[^'\\\n]*')"""
_STRING = re.compile(_TEXT)
_INDEX_OR_STRING = re.compile(r"(\w\[\s*" + _TEXT + r"\s*\])|" + _TEXT)
_SEQUENCE = re.compile(rf"\b(?:{'|'.join(FUNCTIONS)})\(([^()]*)\)")
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
_PATH = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*)(?!\s*\()|\[\s*(" + _TEXT + r")\s*\])?(?!\s*\()")
_OPERATORS = ("_", "@", "!", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One rule's condition, read without running it."""

    rule: Rule
    fields: frozenset[tuple[str, str]] = frozenset()
    """(root, field); the field is empty where the whole root is used."""
    numbers: frozenset[int] = frozenset()
    functions: frozenset[str] = frozenset()
    uncovered: frozenset[str] = frozenset()
    """Texts that are compared in a way for which no representative values exist."""
    windows: tuple[str, ...] = ()
    """What `count` and `count_kind` look back over, where it is written out."""
    literals: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict[tuple[str, str], tuple[str, ...]])
    """Texts that each field is compared with; prefix + middle + suffix joined is among them."""

    def unknown_fields(self) -> list[str]:
        """Roots and fields that no step has. Arguments are another matter: each action declares its own."""
        names = [(root, name) for root, name in sorted(self.fields) if root in FIELDS and root != ARGS]
        return [f"{root}.{name}" for root, name in names if name and name not in FIELDS[root]]

    def unknown_roots(self) -> list[str]:
        """Variables that no step has."""
        return sorted({root for root, _ in self.fields if root not in FIELDS})

    def unknown_functions(self) -> list[str]:
        """Functions that neither CEL nor the product has."""
        return sorted(name for name in self.functions if name not in STANDARD and name not in FUNCTIONS)

    def bad_windows(self) -> list[str]:
        """What is wrong with the windows that cannot be read."""
        return [f"{text!r} is no window such as '10m', at most 24h" for text in self.windows if not readable(text)]

    def beyond(self) -> list[str]:
        """Functions and comparisons whose answers the check's representative values do not cover."""
        return sorted({*(self.functions & STANDARD - DECIDABLE), *self.uncovered})


def read_rule(rule: Rule) -> Reading:
    """Read one condition."""
    program = cel.compile(rule.when)
    bound = _bound(rule.when)
    known = set(program.variables()) - bound
    paths = {(root, name) for root, name in _paths(rule.when) if root in known}
    numbers = frozenset(int(n) for n in _NUMBER.findall(_STRING.sub('""', rule.when)))
    inside = {
        f"{ARGS}.{name}"
        for name in re.findall(rf"(?<![\w.]){ARGS}\.(\w+)\s*[.\[]\s*(?!(?:startsW|endsW|contains))", rule.when)
    }
    compared = {path: _compared(_SEQUENCE.sub("0", rule.when), *path) for path in paths}
    return Reading(
        rule=rule,
        fields=frozenset(paths),
        numbers=numbers,
        functions=frozenset(name for name in program.functions() if not name.startswith(_OPERATORS)),
        windows=tuple(_windows(rule.when)),
        uncovered=frozenset(".".join(p) for p, (_, known) in compared.items() if not known and _textual(p, numbers))
        | inside,
        literals={path: words for path, (words, _) in compared.items()},
    )


def _textual(path: tuple[str, str], numbers: frozenset[int]) -> bool:
    """Whether the field holds texts; of an argument, the numbers beside it tell."""
    root, name = path
    known = FIELDS.get(root, {}).get(name)
    return known.kind in {Kind.TEXT, Kind.NAMES} if known else root == ARGS and not numbers


def _bound(text: str) -> set[str]:
    """Variables that a macro binds itself."""
    return set(re.findall(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)\s*,", text))


def _windows(text: str) -> list[str]:
    last = [inner.rpartition(",")[2].strip() for inner in re.findall(r"\bcount(?:_kind)?\(([^()]*)\)", text)]
    return [window[1:-1] if _STRING.fullmatch(window) else window for window in last if not window.isidentifier()]


def _paths(text: str) -> set[tuple[str, str]]:
    kept = _INDEX_OR_STRING.sub(lambda found: found[1] or '""', text)
    return {(m[1], m[2] or (m[3] or "")[1:-1]) for m in _PATH.finditer(kept)}


def _compared(text: str, root: str, name: str) -> tuple[tuple[str, ...], bool]:
    """Literals that the field meets, and whether every way in which it meets them is one that the check knows."""
    path = rf"{root}(?:\.{name}|\[\s*[\"']{name}[\"']\s*\])(?!\w)" if name else rf"{root}(?![\w.])"
    plain = [*re.findall(rf"{path}\s*[!=]=\s*({_TEXT})", text), *re.findall(rf"({_TEXT})\s*[!=]=\s*{path}", text)]
    plain += re.findall(rf"({_TEXT})\s+in\s+{path}", text)
    parts = {way: re.findall(rf"{path}\.{way}\(\s*({_TEXT})", text) for way in ("startsWith", "contains", "endsWith")}
    lists = [s for inner in re.findall(rf"{path}\s+in\s+\[([^\]]*)\]", text) for s in _STRING.findall(inner)]
    found = [literal[1:-1] for literal in [*plain, *lists, *(p for some in parts.values() for p in some)]]
    joined = ["".join(p[1:-1] for some in parts.values() for p in some)] if "&&" in text else []
    met = len(re.findall(path, text))
    sizes = re.findall(rf"(?:size\(taint\.\w+|has\({path})\)|{path}\s+in\s+\[", text)
    recognised = len(plain) + len(sizes) + sum(map(len, parts.values()))
    return tuple(dict.fromkeys(word for word in [*found, *joined] if word)), recognised >= met
