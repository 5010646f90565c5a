"""Effects of commands are inferred from program, verb and options, never from a substring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.action import Effect
from domain.commands import blocked, read_command
from domain.programs import PROGRAMS

READ, IRREVERSIBLE = Effect.READ, Effect.IRREVERSIBLE


@pytest.mark.parametrize(
    ("line", "effect"),
    [
        ("kubectl get pods -l app=delete-worker", READ),
        ("kubectl get configmap restart-everything -o yaml", READ),
        ("kubectl -n shop rollout status deployment/api", READ),
        ("kubectl auth can-i delete pods", READ),
        ("kubectl apply -f x.yaml --dry-run=server", READ),
        ("journalctl -u rm-cleaner --since -5m", READ),
        ("cat /var/log/delete.log", READ),
        ("timeout 5 df -h", READ),
        ("sudo -n -u shop cat /etc/shop.env", READ),
        ("nice -n 5 uptime", READ),
        ("redis-cli -p 6379 ping", READ),
        ("kubectl rollout restart deployment/api", Effect.TRANSIENT),
        ("kubectl --namespace=get scale deployment/api --replicas=3", Effect.REVERSIBLE),
        ("kubectl --context prod delete pod get", IRREVERSIBLE),
        ("kubectl -n get delete pod x", IRREVERSIBLE),
        ("kubectl scale deployment/api --replicas=0 --force", IRREVERSIBLE),
        ("kubectl delete pod x --grace-period=0", IRREVERSIBLE),
        ("kubectl exec api -- ls", IRREVERSIBLE),
        ("sudo systemctl restart nginx", Effect.TRANSIENT),
        ("/usr/bin/systemctl --no-pager=true status nginx", READ),
        ("timeout 5 rm -rf /srv/x", IRREVERSIBLE),
        ("journalctl --vacuum-size=1M", IRREVERSIBLE),
        ("find /tmp -name x -delete", IRREVERSIBLE),
        ("curl -XDELETE http://x/", IRREVERSIBLE),
        ("curl --request=PUT http://x/", IRREVERSIBLE),
        ("curl --request POST http://x/", IRREVERSIBLE),
        ("curl -sSo /etc/passwd http://x/", IRREVERSIBLE),
        ("curl -sS -X GET http://x/", READ),
        ("redis-cli flushall", IRREVERSIBLE),
        ("kubectl frobnicate", None),
        ("kubectl --strange get delete pod x", None),
        ("terraform apply", None),
        ("sudo -n", None),
    ],
)
def test_effect(line: str, effect: Effect | None) -> None:
    """One line, one class."""
    assert read_command(line.split()).effect is effect


@given(st.lists(st.sampled_from(["delete", "drain", "rm", "scale", "--force=x", "-X", "apply", "get"]), max_size=5))
def test_words_after_a_reading_verb_change_nothing(words: list[str]) -> None:
    """Names are only names: whatever a label says, `get` reads."""
    options = [w for word in words for w in ("-l", word.lstrip("-"))]
    assert read_command(["kubectl", "get", "pods", *options]).effect is READ


@given(st.sampled_from(sorted(PROGRAMS)), st.lists(st.text(max_size=8), max_size=5))
def test_no_argument_list_breaks_the_reader(program: str, words: list[str]) -> None:
    """Anything can be read; what is not understood has no effect class, it is not harmless."""
    reading = read_command([program, *words])
    assert reading.effect is None or reading.effect in Effect


@pytest.mark.parametrize(
    "line", ["sh -c ls", "sudo bash -c ls", "/bin/sh x", "python3 -c pass", "xargs rm", "ssh h ls"]
)
def test_interpreters_are_refused(line: str) -> None:
    """Nothing is known about what they run."""
    assert read_command(line.split()).refused


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("kubectl drain node-1", "kubectl drain"),
        ("kubectl -n x delete ns shop", "kubectl delete ns"),
        ("kubectl delete namespaces/shop", "kubectl delete namespaces"),
        ("sudo kubectl --context p cordon node-1", "kubectl cordon"),
        ("kubectl uncordon node-1", ""),
        ("kubectl delete pod namespace", ""),
    ],
)
def test_blocked_verbs(line: str, verb: str) -> None:
    """They are found behind options and wrappers, and only as verbs."""
    assert blocked(line.split()) == verb
