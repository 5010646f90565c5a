"""Which argument lists are known to read only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import reads_only
from domain.programs import READERS

READ = [
    "cat /etc/hosts",
    "df -h",
    "hostname",
    "date",
    "date -u +%s",
    "ss -ltnp",
    "journalctl -u shop -n 50",
    "systemctl status shop",
    "kubectl get pods -n shop",
    "kubectl -n shop get pods",
    "kubectl --namespace=shop --context x logs web",
    "find /var/log -name x.log -size +1M",
    "pgrep -f shop",
    "dmesg -T",
    "kubectl auth can-i patch deployments",
    "kubectl rollout status deployment/web",
    "docker ps",
    "kubectl get pods -ojson -nshop",
    "redis-cli ping",
    "curl -fsS -m 5 http://127.0.0.1:8080/healthz",
    "grep -c delete /var/log/shop.log",
]
NOT = [
    "",
    "rm -rf /",
    "/bin/cat x",
    "./cat x",
    "hostname evil",
    "hostname -F name",
    "date -s 12:00",
    "date 01010000",
    "ss -K dst 10.0.0.1",
    "ss -ltK",
    "journalctl --rotate",
    "journalctl --vacuum-time=1s",
    "journalctl -f",
    "systemctl restart shop",
    "systemctl --user status",
    "kubectl delete pod x",
    "kubectl -n shop delete pod x",
    "kubectl --kubeconfig x get pods",
    "kubectl --namespace get delete pod",
    "dmesg -c",
    "find /tmp -delete",
    "find / -exec rm {} +",
    "kubectl rollout undo deployment/web",
    "kubectl auth reconcile -f x",
    "docker exec web sh",
    "redis-cli flushall",
    "curl http://a http://b",
    "curl -X POST http://a",
    "curl -d x http://a",
    "curl -o /etc/passwd http://a",
    "curl -m http://a http://b",
    "curl file:///etc/shadow",
    "curl -K options http://a",
    "curl -H X-HTTP-Method-Override:DELETE http://a",
    "curl -w %output{/etc/x} http://a",
    "kubectl get pods --kubeconfig=other",
    "kubectl config view --raw",
    "kubectl cluster-info dump --output-directory=/etc",
    "sort --compress-program=x a",
    "sudo cat x",
    "timeout 5 cat x",
    "nc 10.0.0.1 25",
    "kubectl get pods -shttps://other",
    "env",
    "sh -c true",
]


@pytest.mark.parametrize("line", READ)
def test_these_read(line: str) -> None:
    """Known programs with words that read."""
    assert reads_only(line.split())


@pytest.mark.parametrize("line", NOT)
def test_these_are_not_known_to_read(line: str) -> None:
    """Unknown programs, paths, and known programs with words that change something."""
    assert not reads_only(line.split())


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5))
def test_an_unknown_program_never_reads(argv: list[str]) -> None:
    """Whatever its words are."""
    assert not reads_only(argv) or argv[0] in READERS
