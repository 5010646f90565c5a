"""A small OpenAI-compatible server over real HTTP whose answers are scripted: good, malformed, slow, refusing, streaming."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = dict[str, Any] | str | int | float | bytes
"""A dict: arguments of the tool call; a str: plain content; an int: that HTTP status; a float: seconds to stay silent;
bytes: exactly this body, with status 200."""


@dataclass
class Script:
    """What to answer, by the name of the tool that the client offers (the answer type), and what was asked."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    otherwise: Answer = 503
    """For tools that no answer is scripted for."""
    closing: threading.Event = field(default_factory=threading.Event)

    def next(self, request: dict[str, Any]) -> Answer:
        """The next answer for the offered tool; the last one stays."""
        self.asked.append(request)
        tools = request.get("tools") or [{"function": {"name": ""}}]
        waiting = self.answers.get(tools[0]["function"]["name"], [self.otherwise])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@contextmanager
def openai_server(answers: dict[str, list[Answer]], otherwise: Answer = 503) -> Iterator[tuple[str, Script]]:
    """The base URL (…/v1) and the script of a running server."""
    script = Script(answers={name: list(rows) for name, rows in answers.items()}, otherwise=otherwise)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", script
    finally:
        script.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            script.headers.append({k.lower(): v for k, v in self.headers.items()})
            answer = script.next(body)
            if isinstance(answer, float):
                script.closing.wait(answer)
                answer = 503
            if isinstance(answer, bytes):
                self._send(200, answer)
            elif isinstance(answer, int):
                self._send(answer, json.dumps({"error": {"message": "scripted", "type": "scripted"}}).encode())
            else:
                self._send(200, json.dumps(completion(body, answer)).encode())

        def _send(self, status: int, raw: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(raw)
            except OSError:
                return

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    return Handler


def completion(request: dict[str, Any], answer: dict[str, Any] | str) -> dict[str, Any]:
    """A chat completion with a tool call, or with plain content."""
    message: dict[str, Any] = {"role": "assistant", "content": answer if isinstance(answer, str) else None}
    if isinstance(answer, dict):
        name = request["tools"][0]["function"]["name"]
        call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": json.dumps(answer)}}
        message["tool_calls"] = [call]
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def refusal(words: str) -> bytes:
    """A completion in which the model declines, as the API says it."""
    refused = completion({"model": "m1"}, "")
    refused["choices"][0]["message"] |= {"content": None, "refusal": words}
    return json.dumps(refused).encode()


def cut_short(name: str) -> bytes:
    """A tool call that ends in the middle of its arguments because the tokens ran out."""
    cut = completion({"model": "m1", "tools": [{"function": {"name": name}}]}, {"steps": []})
    cut["choices"][0] |= {"finish_reason": "length"}
    cut["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = '{"steps": [{"call": {"action": "resu'
    return json.dumps(cut).encode()
