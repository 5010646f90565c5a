"""`python -m stack.shop.worker`: takes jobs from the queue, charges what was deferred, fulfils orders."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from redis import Redis
from redis.exceptions import RedisError

from stack.shop.lines import set_up
from stack.shop.queue import DEAD, DELAYED, HEARTBEAT, QUEUE, TAKEN, Job, parse_job, retry_after
from stack.shop.settings import Setting, SettingsError, integer, load, load_or_exit, number, text, url
from stack.shop.spans import Tracing, current_ids, outgoing

SERVICE = "worker"
KEYS: tuple[Setting, ...] = (
    text("DB_HOST"),
    integer("DB_PORT", 1, 65535),
    text("DB_NAME"),
    text("DB_USER"),
    url("CACHE_URL", "redis"),
    url("PAYMENTS_URL", "http", "https"),
    text("PAYMENTS_API_KEY"),
    number("PAYMENTS_TIMEOUT_S", 0.1, 30),
)
MAX_ATTEMPTS = 200
STALE_S = 10.0
SWEEP_S = 30.0
FULFIL = "UPDATE orders SET status = 'fulfilled' WHERE id = %s AND status IN ('pending', 'paid')"
LOST = """
UPDATE orders SET status = 'abandoned'
WHERE status = 'pending' AND created_at < now() - interval '10 minutes'
"""


class JobError(Exception):
    """The job could not be done now; try again later."""


class WorkerMetrics:
    """Series of the worker."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.jobs = Counter("worker_jobs", "Jobs by outcome.", ["kind", "outcome"], registry=registry)
        self.depth = Gauge("queue_depth", "Jobs waiting, delayed ones included.", registry=registry)
        self.oldest = Gauge("queue_oldest_seconds", "Age of the oldest waiting job.", registry=registry)
        self.dead = Gauge("queue_dead", "Jobs given up.", registry=registry)
        self.heartbeat = Gauge("worker_heartbeat_timestamp_seconds", "Epoch of the last round.", registry=registry)
        self.last_job = Gauge("worker_last_job_timestamp_seconds", "Epoch of the last job done.", registry=registry)
        self.up = Gauge("worker_dependency_up", "1 when it answered last.", ["dependency"], registry=registry)


class Worker:
    """One loop, one job at a time. A job in hand lies in TAKEN, so that none is lost when the process dies."""

    def __init__(self, values: Mapping[str, str], secret: Path, tracing: Tracing, log: logging.Logger) -> None:
        self._values = self._given = values
        self._secret = secret
        self._tracing = tracing
        self._log = log
        self.metrics = WorkerMetrics()
        self.stopping = threading.Event()
        self.beat = time.time()
        self._conn: psycopg.Connection[Any] | None = None
        self._swept = 0.0
        self._complained = ""
        self._cache = Redis.from_url(
            values["CACHE_URL"], socket_timeout=4, socket_connect_timeout=2, protocol=2, decode_responses=True
        )

    def run(self) -> None:
        """Until told to stop."""
        recovered = False
        while not self.stopping.is_set():
            try:
                if not recovered:
                    self._recover()
                    recovered = True
                self._round()
                self.metrics.up.labels("cache").set(1)
            except (RedisError, OSError) as error:
                self.metrics.up.labels("cache").set(0)
                self._complain(f"queue does not answer: {type(error).__name__}: {error}")
                recovered = False
                self.stopping.wait(1.0)
            self._pulse()
        self._disconnect()
        with suppress(RedisError, OSError):
            self._cache.close()

    def reload(self, values: Mapping[str, str]) -> None:
        """Use another configuration from the next job on. May interrupt anything: called by a signal's handler."""
        self._given = values

    def _take_up(self) -> None:
        """Between two jobs, where no connection is just being made: what was made for the old address is closed."""
        given = self._given
        if given is not self._values:
            self._values = given
            self._disconnect()

    def _pulse(self) -> None:
        self.beat = time.time()
        self.metrics.heartbeat.set(self.beat)

    def _recover(self) -> None:
        while self._cache.lmove(TAKEN, QUEUE, "RIGHT", "RIGHT"):
            pass

    def _round(self) -> None:
        now = time.time()
        for raw in self._strings(self._cache.zrangebyscore(DELAYED, "-inf", now, start=0, num=50)):
            if self._cache.zrem(DELAYED, raw):
                self._cache.lpush(QUEUE, raw)
        self._measure(now)
        self._cache.set(HEARTBEAT, f"{now:.3f}", ex=60)
        if now - self._swept > SWEEP_S:
            self._swept = now
            with suppress(JobError):
                self._execute(LOST, ())
        taken = self._cache.blmove(QUEUE, TAKEN, 1, "RIGHT", "LEFT")
        self._take_up()
        if taken is not None:
            self._handle(str(taken))

    def _measure(self, now: float) -> None:
        waiting = int(str(self._cache.llen(QUEUE)))
        delayed = int(str(self._cache.zcard(DELAYED)))
        self.metrics.depth.set(waiting + delayed)
        self.metrics.dead.set(int(str(self._cache.llen(DEAD))))
        oldest = self._cache.lindex(QUEUE, -1) if waiting else None
        try:
            self.metrics.oldest.set(max(0.0, now - parse_job(str(oldest)).enqueued_at) if oldest else 0.0)
        except ValueError:
            self.metrics.oldest.set(0.0)

    @staticmethod
    def _strings(found: Any) -> list[str]:
        return [str(item) for item in found]

    def _handle(self, raw: str) -> None:
        try:
            job = parse_job(raw)
        except ValueError as error:
            self._log.error("not a job: %s", error, extra={"raw": raw[:200]})
            self.metrics.jobs.labels("unknown", "dead").inc()
            self._settle(raw, dead=raw)
            return
        with self._tracing.span(f"job.{job.kind}", {"order": job.order_id}):
            try:
                self._do(job)
            except JobError as error:
                self._complain(f"job of order {job.order_id} failed: {error}")
                self._postpone(raw, job)
                return
        self._complained = ""
        self.metrics.jobs.labels(job.kind, "done").inc()
        self.metrics.last_job.set(time.time())
        self._settle(raw)

    def _do(self, job: Job) -> None:
        if job.kind == "charge":
            self._charge(job)
        self._execute(FULFIL, (job.order_id,))

    def _postpone(self, raw: str, job: Job) -> None:
        again = json.dumps(job.row() | {"attempts": job.attempts + 1})
        dead = job.attempts + 1 >= MAX_ATTEMPTS
        self.metrics.jobs.labels(job.kind, "dead" if dead else "postponed").inc()
        with self._cache.pipeline(transaction=True) as pipe:
            pipe.lrem(TAKEN, 1, raw)
            if dead:
                pipe.lpush(DEAD, again)
            else:
                pipe.zadd(DELAYED, {again: time.time() + retry_after(job.attempts)})
            pipe.execute()

    def _settle(self, raw: str, dead: str | None = None) -> None:
        with self._cache.pipeline(transaction=True) as pipe:
            pipe.lrem(TAKEN, 1, raw)
            if dead is not None:
                pipe.lpush(DEAD, dead)
                pipe.ltrim(DEAD, 0, 999)
            pipe.execute()

    def _charge(self, job: Job) -> None:
        body = json.dumps({"order_id": job.order_id, "amount_cents": job.amount_cents}).encode()
        headers = {"X-Api-Key": self._values["PAYMENTS_API_KEY"], "Content-Type": "application/json", **outgoing()}
        request = urllib.request.Request(f"{self._values['PAYMENTS_URL']}/charge", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=float(self._values["PAYMENTS_TIMEOUT_S"])):
                self.metrics.up.labels("payments").set(1)
        except (urllib.error.URLError, OSError) as error:
            self.metrics.up.labels("payments").set(0)
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            raise JobError(f"payments: {error}") from error

    def _execute(self, sql: str, values: tuple[Any, ...]) -> None:
        try:
            if self._conn is None or self._conn.closed:
                self._conn = self._connect()
            self._conn.execute(sql.encode(), values)
            self.metrics.up.labels("postgres").set(1)
        except psycopg.Error as error:
            self.metrics.up.labels("postgres").set(0)
            self._disconnect()
            raise JobError(f"database: {type(error).__name__}: {str(error).strip()}") from error

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self._values["DB_HOST"],
            port=int(self._values["DB_PORT"]),
            dbname=self._values["DB_NAME"],
            user=self._values["DB_USER"],
            password=self._secret.read_text().strip(),
            application_name="shop-worker",
            options="-c lock_timeout=1200 -c statement_timeout=2500",
            connect_timeout=3,
            autocommit=True,
        )

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def _complain(self, what: str) -> None:
        """Say it once until something works again: a queue that is down would fill the disk with lines."""
        kind = what.partition(":")[2] or what
        if kind != self._complained:
            self._complained = kind
            self._log.error(what)


def exposition(worker: Worker, port: int) -> ThreadingHTTPServer:
    """/metrics and /healthz in a thread of their own, so that they answer while a job takes long."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(worker.metrics.registry), "text/plain; version=0.0.4")
            elif self.path == "/healthz":
                age = time.time() - worker.beat
                body = {"status": "ok" if age < STALE_S else "stale", "heartbeat_age_s": round(age, 2)}
                self._answer(200 if age < STALE_S else 503, json.dumps(body).encode(), "application/json")
            else:
                self._answer(404, b"{}", "application/json")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def main() -> None:
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser(prog="stack.shop.worker")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--env-file", type=Path, required=True)
    parser.add_argument("--secret-file", type=Path, required=True)
    parser.add_argument("--spans", type=Path, required=True)
    found = parser.parse_args()
    log = set_up(SERVICE, current_ids)
    values = load_or_exit(found.env_file, KEYS, log)
    worker = Worker(values, found.secret_file, Tracing(SERVICE, found.spans), log)
    signal.signal(signal.SIGTERM, lambda *_: worker.stopping.set())
    signal.signal(signal.SIGINT, lambda *_: worker.stopping.set())

    def hangup(*_: object) -> None:
        try:
            worker.reload(load(found.env_file, KEYS))
        except SettingsError as error:
            log.error("reload refused: %s", error)

    signal.signal(signal.SIGHUP, hangup)
    server = exposition(worker, found.port)
    log.info("working", extra={"port": found.port})
    worker.run()
    server.shutdown()


if __name__ == "__main__":
    main()
