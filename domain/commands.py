"""Which argument lists are known to read only. Everything that is not known here counts as changing something.

The judgement rests on the program and its words, never on a substring of a line: `cat drop.sql` reads, `curl -o x` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

_Rule = Callable[[Sequence[str]], bool]


def reads_only(argv: Sequence[str]) -> bool:
    """Whether this command is known to change nothing. A program given by its path is never known."""
    if not argv:
        return False
    rule = READERS.get(argv[0])
    return rule is not None and rule(argv[1:])


def _always(args: Sequence[str]) -> bool:
    return True


def _alone(args: Sequence[str]) -> bool:
    return all(arg.startswith("-") for arg in args) and not any(arg in ("-F", "-b", "--file", "--boot") for arg in args)


def _without(*words: str) -> _Rule:
    """Any words but these, given alone, as `--word=value`, or (for `-s`) joined with what follows."""

    def rule(args: Sequence[str]) -> bool:
        return not any(_is(arg, word) for arg in args for word in words)

    return rule


def _is(arg: str, word: str) -> bool:
    short = len(word) == 2 and word[0] == "-"
    return arg.partition("=")[0] == word or (
        short and arg.startswith(word[0]) and arg[1:2] != "-" and word[1] in arg[1:]
    )


def _verbs(*verbs: str) -> _Rule:
    """The first words are one of these verbs; options before the verb are not understood and refused."""
    wanted = [tuple(verb.split()) for verb in verbs]

    def rule(args: Sequence[str]) -> bool:
        return any(tuple(args[: len(verb)]) == verb for verb in wanted)

    return rule


_CURL_FLAGS = frozenset({"-s", "-S", "-f", "-sS", "-sf", "-fs", "-fsS", "-sSf", "-I", "--silent", "--fail", "--head"})
_CURL_TIMES = frozenset({"-m", "--max-time", "--connect-timeout"})


def _curl(args: Sequence[str]) -> bool:
    """A plain GET or HEAD of one URL: nothing is sent, written to a file or read from one."""
    urls, words = 0, iter(args)
    for word in words:
        if word in _CURL_TIMES:
            if not next(words, "").replace(".", "", 1).isdigit():
                return False
        elif word.startswith(("http://", "https://")):
            urls += 1
        elif word not in _CURL_FLAGS:
            return False
    return urls == 1


_BEFORE_VERB = frozenset({"-n", "--namespace", "--context", "--cluster", "--request-timeout"})
"""Options of kubectl that may stand before its verb, each with a value."""


def _kubectl(args: Sequence[str]) -> bool:
    rest = list(args)
    while rest and rest[0].partition("=")[0] in _BEFORE_VERB:
        rest = rest[1:] if "=" in rest[0] else rest[2:]
    return _verbs(*_KUBECTL)(rest)


_KUBECTL = (
    *("get", "describe", "logs", "top", "version", "explain", "events", "api-resources", "api-versions"),
    *("auth can-i", "auth whoami", "rollout status", "rollout history"),
)

READERS: Mapping[str, _Rule] = {
    **dict.fromkeys(
        ("cat", "head", "tail", "ls", "stat", "df", "du", "free", "uptime", "ps", "id", "whoami", "uname", "wc"),
        _always,
    ),
    **dict.fromkeys(
        ("nproc", "lscpu", "vmstat", "getent", "sha256sum", "readlink", "test", "grep", "pg_isready"), _always
    ),
    **dict.fromkeys(("pgrep", "lsblk", "netstat", "iostat", "cmp", "diff", "host", "nslookup"), _always),
    "hostname": _alone,
    "date": lambda args: all(arg.startswith("+") or arg == "-u" for arg in args),
    "dmesg": _without(
        "-c", "-C", "--clear", "--read-clear", "-n", "-D", "-E", "--console-level", "--console-off", "--console-on"
    ),
    "find": _without(*("-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint", "-fprint0", "-fprintf", "-fls")),
    "ss": _without("-K", "--kill"),
    "dig": _without("-f"),
    "journalctl": _without(
        *("--rotate", "--flush", "--sync", "--relinquish-var", "--smart-relinquish-var", "--setup-keys"),
        *("--vacuum-size", "--vacuum-time", "--vacuum-files", "--update-catalog", "-f", "--follow", "--cursor-file"),
    ),
    "systemctl": _verbs("status", "is-active", "is-failed", "is-enabled", "show", "list-units", "cat"),
    "docker": _verbs("ps", "inspect", "logs", "version", "info"),
    "kubectl": _kubectl,
    "redis-cli": _verbs("ping", "info", "PING", "INFO"),
    "curl": _curl,
}
"""Program → whether its words read only. Adding one is a line here and a row in its test."""
