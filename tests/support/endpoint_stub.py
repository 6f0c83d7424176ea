"""An OpenAI-compatible server for tests that answers and fails as it is told.

``python endpoint_stub.py PORT DELAY`` serves one fixed answer, as fast as Python can.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Reaction:
    """How the stub reacts to one request. drop: close the connection instead."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False


def completion(text: str | None, **choice: object) -> bytes:
    """A chat completion that says ``text``, with 10 tokens in and 2 out."""
    message = {
        "role": "assistant",
        "content": text,
        **({"refusal": "no"} if choice.pop("refusal", None) else {}),
    }
    return json.dumps(
        {
            "model": "tiny-served",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2},
        }
    ).encode()


def logprobs(*tops: tuple[str, float]) -> dict[str, object]:
    """The log-probabilities of an answer of one token, whose alternatives these are."""
    top = [{"token": token, "logprob": value} for token, value in tops]
    return {"content": [{**top[0], "top_logprobs": top}]}


@dataclass
class Stub:
    """A server on 127.0.0.1. ``react(table, n)`` answers the n-th completion request, from 0; ``seen`` holds all."""

    react: Callable[[dict, int], Reaction]
    key: str = ""
    models: tuple[str, ...] | None = ("tiny", "other")
    seen: list[dict] = field(default_factory=list)
    answered: list[dict] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def spec(self) -> str:
        return f"api:tiny@{self.url}"

    async def serve(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, limit=1 << 24)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                fields = {name.lower(): value for name, value in fields.items()}
                content = await reader.readexactly(int(fields.get("content-length", 0)))
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    reaction, table = self._reaction(head.split(" ")[1], fields, content)
                    await asyncio.sleep(reaction.delay)
                finally:
                    self.in_flight -= 1
                if reaction.drop:
                    break
                lines = {"content-type": "application/json", **reaction.headers}
                shown = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
                status = (
                    f"HTTP/1.1 {reaction.status} X\r\n{shown}content-length: {len(reaction.body)}\r\n\r\n"
                )
                writer.write(status.encode() + reaction.body)
                await writer.drain()
                if table is not None and reaction.status == 200:
                    self.answered.append(table)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _reaction(self, path: str, fields: dict[str, str], content: bytes) -> tuple[Reaction, dict | None]:
        if self.key and fields.get("authorization") != f"Bearer {self.key}":
            given = fields.get("authorization", "none")
            return Reaction(
                401, json.dumps({"error": {"message": f"Incorrect API key: {given}"}}).encode()
            ), None
        if path == "/v1/models" and self.models is not None:
            return Reaction(body=json.dumps({"data": [{"id": name} for name in self.models]}).encode()), None
        if path != "/v1/chat/completions":
            return Reaction(404, b'{"detail": "Not Found"}'), None
        table = json.loads(content)
        self.seen.append(table)
        return self.react(table, len(self.seen) - 1), table


@contextmanager
def running(stub: Stub) -> Iterator[Stub]:
    """Serve from a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(stub.serve(stub.port), loop).result()
    try:
        yield stub
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def prompt_of(table: dict) -> str:
    """The text of a request."""
    return table["messages"][0]["content"][-1]["text"]


async def _fixed(port: int, delay: float) -> None:
    """Answer every request alike after ``delay`` seconds, reading as little as possible of it."""
    body = completion("yes")
    answer = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )
    names = json.dumps({"data": [{"id": "tiny"}]}).encode()
    listed = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(names) + names

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line[15:])
                        for line in head.split(b"\r\n")
                        if line.lower().startswith(b"content-length:")
                    ),
                    0,
                )
                await reader.readexactly(length)
                if head.startswith(b"GET"):
                    writer.write(listed)
                    continue
                await asyncio.sleep(delay)
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port, limit=1 << 22)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_fixed(int(sys.argv[1]), float(sys.argv[2])))
