"""HTTP with many requests in flight: retries with back-off and jitter, rate limits, errors in one line."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random, wait_random_exponential

from mafs_bench.adapters.endpoint.replies import MalformedReplyError
from mafs_bench.adapters.endpoint.secret import Secret
from mafs_bench.errors import EndpointError

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds without any answer until a request that is rate-limited counts as failing."""
LONGEST_WAIT = 600.0
"""A server that asks for a longer pause ends the run."""
GRACE = 5.0
"""Seconds that requests in flight get at the end to bring their answers home."""

_FIRST_CONTACT = 2
"""Attempts to reach a server at all."""
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_RATE_LIMITED = 429


class RefusedError(EndpointError):
    """A request that the server refuses for good. status: of its answer. complaint: the server's words."""

    def __init__(self, status: int, complaint: str) -> None:
        super().__init__(f"{status}: {complaint}" if complaint else f"status {status}")
        self.status = status
        self.complaint = complaint


class _PassingError(Exception):
    """A failure that may pass. wait: seconds that the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0, *, rate_limited: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.rate_limited = rate_limited


@dataclass(frozen=True, slots=True)
class Limits:
    """timeout: seconds for one request. attempts: at most. concurrency: requests in flight. backoff: first pause."""

    timeout: float = 120.0
    attempts: int = 6
    concurrency: int = 16
    backoff: float = 0.5


class Client:
    """Sends requests to one server from a thread of its own. Methods may be called from any thread."""

    def __init__(self, url: str, secret: Secret, limits: Limits) -> None:
        self._url = url
        self._secret = secret
        self._limits = limits
        self._pause = wait_random_exponential(multiplier=2 * limits.backoff, max=30)
        self._resume_at = 0.0
        self._answered_at = 0.0
        self._closed = False
        self._sending: set[asyncio.Task[object]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="endpoint")
        self._thread.start()
        self._run(self._open()).result()

    def submit(self, content: bytes, read: Callable[[bytes, float], T]) -> Future[T]:
        """Send a chat completion. ``read`` makes the result of the body and the seconds it took.

        The future raises ``EndpointError``; ``RefusedError`` where another attempt would change nothing.
        """
        return self._run(
            self._persistently("POST", "/chat/completions", content, read, self._limits.attempts)
        )

    def models(self) -> list[str] | None:
        """The models that the server lists, sorted; None where it lists none. Raises ``EndpointError``."""
        try:
            return self._run(self._persistently("GET", "/models", b"", _model_names, _FIRST_CONTACT)).result()
        except RefusedError as error:
            if error.status in (401, 403):
                raise
            return None

    def close(self) -> None:
        """Let requests in flight end, for ``GRACE`` seconds; those that wait are cancelled."""
        if self._closed:
            return
        self._closed = True
        self._run(self._end()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[object, object, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(self) -> None:
        """One client per request in flight: a client with many connections looks at all of them for every request."""
        context = ssl.create_default_context()
        timeout = httpx.Timeout(self._limits.timeout, connect=min(10.0, self._limits.timeout))
        self._slots: asyncio.Queue[httpx.AsyncClient] = asyncio.Queue()
        for _ in range(self._limits.concurrency):
            client = httpx.AsyncClient(
                headers={**self._secret.headers(), "Content-Type": "application/json"},
                timeout=timeout,
                verify=context,
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            )
            self._slots.put_nowait(client)

    async def _end(self) -> None:
        own = asyncio.current_task()
        if self._sending:
            await asyncio.wait(self._sending, timeout=GRACE)
        tasks = [task for task in asyncio.all_tasks() if task is not own]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while not self._slots.empty():
            await self._slots.get_nowait().aclose()

    async def _persistently(
        self, method: str, path: str, content: bytes, read: Callable[[bytes, float], T], attempts: int
    ) -> T:
        """Send until there is an answer, a refusal, or too many failures."""

        def gives_up(state: RetryCallState) -> bool:
            failure = _failure(state)
            if failure.wait > LONGEST_WAIT:
                return True
            alone = time.monotonic() - self._answered_at > PATIENCE + failure.wait
            return state.attempt_number >= attempts and (alone or not failure.rate_limited)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_PassingError),
            stop=gives_up,
            wait=self._wait,
            reraise=True,
        )
        try:
            return await retrying(self._attempt, method, path, content, read)
        except _PassingError as error:
            times = retrying.statistics["attempt_number"]
            raise EndpointError(f"{error} (sent {times} {'times' if times > 1 else 'time'})") from None

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next attempt: what the server asks for and up to as much again, else a growing pause."""
        asked = _failure(state).wait
        return asked + wait_random(0, min(asked, 1.0))(state) if asked else self._pause(state)

    async def _attempt(self, method: str, path: str, content: bytes, read: Callable[[bytes, float], T]) -> T:
        """Send once, when a slot is free and the server takes requests."""
        client = await self._slots.get()
        try:
            while (pause := self._resume_at - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            if self._closed:
                raise EndpointError("the run has ended")
            task = asyncio.current_task()
            assert task is not None
            self._sending.add(task)
            try:
                return await self._once(client, method, path, content, read)
            finally:
                self._sending.discard(task)
        finally:
            self._slots.put_nowait(client)

    async def _once(
        self,
        client: httpx.AsyncClient,
        method: str,
        path: str,
        content: bytes,
        read: Callable[[bytes, float], T],
    ) -> T:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.timeout):
                response = await client.request(method, self._url + path, content=content)
        except (TimeoutError, httpx.TimeoutException) as error:
            where = "connection" if isinstance(error, httpx.ConnectTimeout) else "answer"
            raise _PassingError(f"no {where} within {time.monotonic() - began:.0f} s") from None
        except httpx.RequestError as error:
            reason = self._secret.redact(" ".join(str(error).split())[:200])
            raise _PassingError(f"{type(error).__name__}: {reason}") from None
        if response.status_code != httpx.codes.OK:
            raise self._failed(response)
        try:
            found = read(response.content, time.monotonic() - began)
        except MalformedReplyError as error:
            reason = self._secret.redact(" ".join(str(error).split())[:200])
            raise _PassingError(f"a reply that is no chat completion ({reason})") from None
        self._answered_at = time.monotonic()
        return found

    def _failed(self, response: httpx.Response) -> Exception:
        """What a status other than 200 means."""
        status = response.status_code
        complaint, code = _complaint(response)
        complaint = self._secret.redact(complaint)[:300]
        if response.is_redirect:
            target = self._secret.redact(response.headers.get("Location", ""))
            return RefusedError(status, f"the server redirects to {target}; name that URL")
        if status not in _PASSING or code == "insufficient_quota":
            return RefusedError(status, complaint)
        wait = _retry_after(response.headers.get("Retry-After", ""))
        self._resume_at = max(self._resume_at, time.monotonic() + min(wait, LONGEST_WAIT))
        asked = f", asks to wait {wait:.0f} s" if wait > LONGEST_WAIT else ""
        said = f": {complaint}" if complaint else ""
        return _PassingError(f"status {status}{asked}{said}", wait, rate_limited=status == _RATE_LIMITED)


def _failure(state: RetryCallState) -> _PassingError:
    failure = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(failure, _PassingError)  # nothing else is retried
    return failure


def _retry_after(text: str) -> float:
    """Seconds of a ``Retry-After`` header, which gives them or a date; 0 for none."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _complaint(response: httpx.Response) -> tuple[str, str]:
    """A server's words on what is wrong, in one line, and its code for it ("" for none)."""
    try:
        table = json.loads(response.content)
    except (ValueError, RecursionError):
        return " ".join(response.text.split()), ""
    error = table.get("error", table) if isinstance(table, dict) else table
    if not isinstance(error, dict):
        return " ".join(str(error).split()), ""
    words = error.get("message") or error.get("detail") or error
    return " ".join(str(words).split()), str(error.get("code") or "")


def _model_names(body: bytes, seconds: float) -> list[str]:
    try:
        return sorted(str(entry["id"]) for entry in json.loads(body)["data"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
