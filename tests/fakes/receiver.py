"""A webhook receiver on a real socket, which checks signatures with the Standard Webhooks library."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError


@dataclass
class Receiver:
    """What came, and what is answered."""

    secret: str
    port: int = 0
    answers: list[int] = field(default_factory=list[int])
    """Statuses of the next answers; 204 when empty."""
    received: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Verified bodies, in order."""
    ids: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])
    """Why a request did not verify."""
    delay: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def receiving(secret: str) -> Iterator[Receiver]:
    """A running receiver."""
    receiver = Receiver(secret)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if receiver.delay is not None:
                receiver.delay.wait(20)
            try:
                document = Webhook(receiver.secret).verify(body, dict(self.headers.items()))
                receiver.ids.append(self.headers["webhook-id"])
                status = receiver.answers.pop(0) if receiver.answers else 204
                if status < 300:
                    receiver.received.append(document)
            except WebhookVerificationError as error:
                receiver.refused.append(str(error))
                status = 401
            self.send_response(status)
            if status in {301, 302, 307}:
                self.send_header("location", receiver.url)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
