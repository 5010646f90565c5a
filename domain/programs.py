"""What is known about programs: which of their verbs and options read, change, and take each other back. The one table of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.action import Effect


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


READ, TRANSIENT, REVERSIBLE, IRREVERSIBLE = Effect.READ, Effect.TRANSIENT, Effect.REVERSIBLE, Effect.IRREVERSIBLE

INTERPRETERS = _words(
    "sh bash dash zsh ksh fish csh busybox python python3 perl ruby node lua php awk gawk mawk eval exec source xargs "
    "parallel ssh scp expect script env nsenter chroot su watch tclsh osascript pwsh"
)
"""What runs whatever text it is given: nothing can be inferred, so it has no place in a skill."""

WRAPPERS: dict[str, int] = {"sudo": 0, "nice": 0, "ionice": 0, "nohup": 0, "timeout": 1, "stdbuf": 0}
"""Programs that run another one → how many words of their own come before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How one program is read: verbs of one or two words → effect; `default` when it has no verbs."""

    verbs: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    default: Effect | None = None
    worse: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    """Options that change what it does."""
    valued: frozenset[str] = frozenset()
    """Options that take the next word as their value."""
    takes_back: Mapping[str, str] = field(default_factory=dict[str, str])
    answers: frozenset[str] = frozenset()
    """Verbs whose exit code is the answer; `*`: all."""
    unclear: frozenset[str] = frozenset()
    """Options with which nothing can be said: other credentials, no end, words from a file."""
    words: str = ""
    """What every plain word must look like for `default` to hold; any other word makes it irreversible. Empty: any word."""


def _verbs(effect: Effect, words: str) -> dict[str, Effect]:
    return dict.fromkeys((w.replace("_", " ") for w in words.split()), effect)


_KUBECTL = Program(
    verbs={
        **_verbs(
            READ, "get describe logs top explain version api-resources api-versions cluster-info events diff wait"
        ),
        **_verbs(READ, "auth_can-i auth_whoami rollout_status rollout_history config_view config_current-context"),
        **_verbs(REVERSIBLE, "scale set patch apply annotate label autoscale cordon uncordon create expose"),
        **_verbs(REVERSIBLE, "rollout_undo rollout_pause rollout_resume taint"),
        **_verbs(TRANSIENT, "rollout_restart"),
        **_verbs(IRREVERSIBLE, "delete drain replace edit exec cp attach debug run evict"),
    },
    worse=_verbs(IRREVERSIBLE, "--force --prune --grace-period --output-directory"),
    unclear=_words("--kubeconfig -s --server --user --token --as --as-group --raw --follow"),
    valued=_words(
        "-n --namespace --context --cluster --user --kubeconfig -s --server -l --selector -o --output -f --filename "
        "-c --container --as --token --field-selector --replicas -p --patch --type --timeout --for --tail --since --request-timeout"
    ),
    takes_back={
        "scale": "kubectl scale",
        "set": "kubectl rollout undo",
        "patch": "kubectl patch",
        "rollout undo": "kubectl rollout undo",
        "rollout pause": "kubectl rollout resume",
        "rollout resume": "kubectl rollout pause",
        "cordon": "kubectl uncordon",
        "uncordon": "kubectl cordon",
        "label": "kubectl label",
        "annotate": "kubectl annotate",
        "taint": "kubectl taint",
        "apply": "kubectl apply",
        "create": "kubectl delete",
        "expose": "kubectl delete",
        "autoscale": "kubectl delete",
    },
    answers=frozenset({"wait", "rollout status", "auth can-i", "diff"}),
)
_SYSTEMCTL = Program(
    verbs={
        **_verbs(READ, "status is-active is-enabled is-failed show list-units list-unit-files list-timers cat"),
        **_verbs(TRANSIENT, "restart try-restart reload reload-or-restart reset-failed daemon-reload"),
        **_verbs(REVERSIBLE, "start stop enable disable mask unmask"),
        **_verbs(IRREVERSIBLE, "kill reboot poweroff halt isolate edit"),
    },
    takes_back={
        "start": "systemctl stop",
        "stop": "systemctl start",
        "enable": "systemctl disable",
        "disable": "systemctl enable",
        "mask": "systemctl unmask",
        "unmask": "systemctl mask",
    },
    answers=frozenset({"is-active", "is-enabled", "is-failed"}),
)
REDIS = Program(
    verbs={
        **_verbs(READ, "PING INFO GET TTL DBSIZE LLEN EXISTS STRLEN TYPE MEMORY_USAGE CLIENT_LIST SLOWLOG_GET"),
        **_verbs(IRREVERSIBLE, "FLUSHALL FLUSHDB DEL SET EXPIRE CONFIG_SET SHUTDOWN DEBUG"),
    },
    valued=frozenset({"-h", "-p", "-n", "-s", "--user"}),
)
_CURL_OUT = _verbs(IRREVERSIBLE, "-d --data --data-binary --data-raw --json -F --form -T --upload-file -o --output -O")
PROGRAMS: dict[str, Program] = {
    "kubectl": _KUBECTL,
    "systemctl": _SYSTEMCTL,
    "redis-cli": REDIS,
    "journalctl": Program(
        default=READ,
        worse=_verbs(
            IRREVERSIBLE, "--vacuum-size --vacuum-time --vacuum-files --rotate --flush --sync --relinquish-var"
        )
        | _verbs(IRREVERSIBLE, "--smart-relinquish-var --setup-keys --update-catalog --cursor-file"),
        unclear=_words("-f --follow"),
    ),
    "find": Program(
        default=READ, worse=_verbs(IRREVERSIBLE, "-delete -exec -execdir -ok -okdir -fprint -fprint0 -fprintf -fls")
    ),
    "curl": Program(default=READ, worse=_CURL_OUT, valued=_words("-m --max-time --connect-timeout -X --request")),
    "dmesg": Program(
        default=READ,
        worse=_verbs(IRREVERSIBLE, "-c -C --clear --read-clear -n -D -E --console-level --console-off --console-on"),
        unclear=_words("-w -W --follow --follow-new"),
    ),
    "sort": Program(default=READ, worse=_verbs(IRREVERSIBLE, "-o --output --compress-program")),
    "date": Program(default=READ, worse=_verbs(IRREVERSIBLE, "-s --set"), words=r"\+.*"),
    "hostname": Program(default=READ, worse=_verbs(IRREVERSIBLE, "-F -b --file --boot"), words=r"(?!)"),
    "ss": Program(default=READ, worse=_verbs(IRREVERSIBLE, "-K --kill")),
    "dig": Program(default=READ, unclear=frozenset({"-f"})),
    "docker": Program(verbs=_verbs(READ, "ps inspect logs version info")),
    "ip": Program(default=None, verbs=_verbs(READ, "addr_show link_show route_show neigh_show -s_link")),
    **{name: Program(default=READ, answers=frozenset("*")) for name in _words("test pg_isready cmp diff")},
    **{name: Program(default=READ, answers=frozenset("*")) for name in _words("grep egrep fgrep ping pgrep")},
    **{
        name: Program(default=READ)
        for name in _words(
            "cat ls df du ps free uptime head tail stat id uname wc nproc lscpu lsof lsblk vmstat iostat netstat "
            "getent nslookup host which sha256sum readlink whoami true false echo printf : sleep"
        )
    },
    **{
        name: Program(default=IRREVERSIBLE)
        for name in _words("rm dd mkfs shred truncate kill pkill killall reboot tee")
    },
    **{name: Program(default=IRREVERSIBLE) for name in _words("mv cp chmod chown ln touch mkdir rmdir sed psql mysql")},
}
CONSTANT = _words("true false echo printf : sleep")
READERS = frozenset(name for name, p in PROGRAMS.items() if p.default is READ or READ in p.verbs.values())
"""Programs that something can be read with."""
BLOCKED = frozenset(
    ("kubectl drain", "kubectl cordon", "kubectl delete namespace", "kubectl delete namespaces", "kubectl delete ns")
)
"""Verbs that need a person's approval whatever the autonomy."""
