"""A model behind an OpenAI-compatible endpoint: ``api:MODEL@URL`` (vLLM, SGLang, llama.cpp, a vendor).

Prompts are those of ``hf:`` (``prompts@1``), images go as PNG of the corrupted pixels. The key is read from
``OPENAI_API_KEY`` or the variable that ``--model-args key_variable=NAME`` names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.base import Adapter, Answer, Settings
from mafs_bench.adapters.endpoint.address import Address
from mafs_bench.adapters.endpoint.answers import Answers
from mafs_bench.adapters.endpoint.arguments import Arguments
from mafs_bench.adapters.endpoint.client import Client, Limits, RefusedError
from mafs_bench.adapters.endpoint.png import UrlCache, pixel_digest
from mafs_bench.adapters.endpoint.replies import Dialect, Reply, Request, read_reply
from mafs_bench.adapters.endpoint.secret import Secret, read_key
from mafs_bench.errors import EndpointError, UnknownNameError
from mafs_bench.prompts import Prompts, caption_tasks, load_prompts
from mafs_bench.types import FloatArray, Image

_TOO_LARGE = 413


class Endpoint(Adapter):
    """A generative model on a server. It is known by its URL, its name there and the prompts.

    A missing image is a prompt of text alone; a missing text leaves its place in the prompt empty.
    """

    missing: Mapping[str, str] = {
        "image": "a prompt of text alone",
        "text": "the prompt with nothing in its place",
    }
    accepts = frozenset({"prompts", "model_args"})
    unrecorded = frozenset({"key_variable", "timeout", "attempts"})
    served = True

    def __init__(
        self,
        address: Address,
        secret: Secret,
        limits: Limits,
        prompts: Prompts,
        max_new_tokens: int | None = None,
        batch_size: int = 64,
    ) -> None:
        """Reach the server; ``load`` is the usual way in. Raises ``EndpointError`` or ``UnknownNameError``."""
        self.name = f"api:{address.model}@{address.url}"
        self.prompts = prompts.record()
        self.sources = {"endpoint": address.url, "model": address.model}
        identity = [address.url, address.model, prompts.digest, max_new_tokens]
        self.weights = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        self.requests_at_once = limits.concurrency
        self.batches_at_once = (
            2 + limits.concurrency // batch_size
        )  # one is put together while others are asked
        self._address = address
        self._secret = secret
        self._tasks = prompts.tasks
        self._max_new_tokens = max_new_tokens
        self._urls = UrlCache()
        self._answers = Answers()
        self._dialect: Dialect | None = None
        self._pending: dict[str, Future[Reply]] = {}
        self._lock = Lock()
        self._client = Client(address.url, secret, limits)
        try:
            self._require_model()
        except BaseException:
            self._client.close()
            raise

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Reach the server of ``MODEL@URL``.

        Raises ``UsageError`` for an address, a key or arguments that cannot be used, ``EndpointError`` for a server
        that is not there or refuses the key, ``UnknownNameError`` for a model that it does not list.
        """
        arguments = Arguments.of(settings.model_args)
        limits = Limits(arguments.timeout, arguments.attempts, settings.concurrency)
        secret = read_key(arguments.key_variable)
        prompts = load_prompts(settings.prompts)
        return cls(
            Address.parse(argument), secret, limits, prompts, arguments.max_new_tokens, settings.batch_size
        )

    def keep_answers(self, folders: Sequence[Path]) -> None:
        """Store answers in these folders as they arrive, and take from them what was asked before."""
        self._answers = Answers(folders)

    def usage(self) -> Mapping[str, float]:
        """Requests, tokens and seconds of the server so far."""
        return self._answers.usage()

    def close(self) -> None:
        """End the connections, and the files of answers."""
        self._client.close()
        self._answers.close()

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> list[Answer]:
        """Answer n questions; confidence is the geometric mean of the probabilities of the tokens, if given."""
        prompt = self._tasks["vqa"]
        messages = [prompt.fill(question=question) for question in questions]
        replies = self._ask(images, messages, ["vqa"] * len(messages), present)
        return [Answer(prompt.cut(reply.text), reply.confidence, _refused(reply)) for reply in replies]

    def caption(self, images: Sequence[Image], contexts: Sequence[str]) -> list[str]:
        """Describe n images; a context stands in the prompt."""
        return self.describe(images, contexts, np.ones((len(images), 2), dtype=bool))

    def describe(
        self, images: Sequence[Image], contexts: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> list[str]:
        """Describe n images; a missing context leaves its place in the prompt empty."""
        tasks = caption_tasks(contexts, present[:, 1])
        messages = [
            self._tasks[task].fill(context=context) for task, context in zip(tasks, contexts, strict=True)
        ]
        replies = self._ask(images, messages, tasks, present)
        return [self._tasks[task].cut(reply.text) for task, reply in zip(tasks, replies, strict=True)]

    def match_pairs(
        self, images: Sequence[Image], texts: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> FloatArray:
        """P(yes) / (P(yes) + P(no)) of the first token, float32 (n,); where ``states_matches``, the stated answer.

        NaN where the answer is neither.
        """
        prompt = self._tasks["matching"]
        yes, no = prompt.words["yes"], prompt.words["no"]
        messages = [prompt.fill(caption=text) for text in texts]
        replies = self._ask(images, messages, ["matching"] * len(messages), present)
        if not self.states_matches:
            return np.array([reply.probability(yes, no) for reply in replies], dtype=np.float32)
        stated = {yes.strip().casefold(): 1.0, no.strip().casefold(): 0.0}
        answers = [prompt.cut(reply.text).casefold() for reply in replies]
        return np.array([stated.get(answer, np.nan) for answer in answers], dtype=np.float32)

    def _ask(
        self,
        images: Sequence[Image],
        messages: Sequence[str],
        tasks: Sequence[str],
        present: npt.NDArray[np.bool_],
    ) -> list[Reply]:
        """The replies to n prompts, in order; each image is digested and encoded once."""
        dialect = self._agreed()
        asked = []
        for image, message, task, there in zip(images, messages, tasks, present[:, 0], strict=True):
            limit = self._max_new_tokens or self._tasks[task].max_new_tokens
            request = Request(message, pixel_digest(image) if there else "", limit)
            asked.append(self._submit(request, image, dialect))
        return [self._reply(future) for future in asked]

    def _submit(self, request: Request, image: Image | None, dialect: Dialect) -> Future[Reply]:
        """Send a request that has no answer yet; the same one in flight is waited for."""
        key = request.key(self._address.url, self._address.model, dialect)
        known = self._known(key)
        if known is not None:
            return known
        url = self._urls.url(request.image, image) if request.image and image is not None else ""
        content = json.dumps(request.table(self._address.model, dialect, url)).encode()
        with self._lock:
            if key in self._pending:
                return self._pending[key]
            future = self._client.submit(content, lambda body, seconds: self._keep(key, body, seconds))
            self._pending[key] = future
        future.add_done_callback(lambda _: self._forget(key))
        return future

    def _known(self, key: str) -> Future[Reply] | None:
        """The reply that is stored or on its way."""
        with self._lock:
            if key in self._pending:
                return self._pending[key]
        stored = self._answers.get(key)
        if stored is None:
            return None
        future: Future[Reply] = Future()
        future.set_result(stored)
        return future

    def _keep(self, key: str, body: bytes, seconds: float) -> Reply:
        reply = read_reply(self._secret.redact(body.decode(errors="replace")).encode(), seconds)
        self._answers.put(key, reply)
        return reply

    def _forget(self, key: str) -> None:
        with self._lock:
            self._pending.pop(key, None)

    def _reply(self, future: Future[Reply]) -> Reply:
        """Wait for a reply. Raises ``EndpointError`` that says what is stored."""
        try:
            return future.result()
        except RefusedError as error:
            raise self._refusal(error) from None
        except EndpointError as error:
            raise EndpointError(f"{self.name}: a request keeps failing: {error}; {self._stored()}") from None

    def _refusal(self, error: RefusedError) -> EndpointError | UnknownNameError:
        """A refusal in words: what was asked, and what to do."""
        complaint = error.complaint.casefold()
        if error.status in (401, 403):
            reason = (
                f"the server refuses the key ({error}); set OPENAI_API_KEY, or --model-args key_variable=NAME"
            )
        elif error.status == _TOO_LARGE or (
            "image" in complaint and ("large" in complaint or "size" in complaint)
        ):
            reason = (
                f"an image is larger than the server takes ({error}); --suite core@2 brings images to 256 px"
            )
        elif error.status == 404 and "model" not in complaint:
            reason = (
                f"there is no chat completion at {self._address.url} ({error}); a base URL mostly ends in /v1"
            )
        else:
            reason = f"the server refuses a request ({error})"
        return EndpointError(f"{self.name}: {reason}; {self._stored()}")

    def _stored(self) -> str:
        if not self._answers.files:
            return "nothing is stored yet"
        n = int(self._answers.usage()["requests"])
        return f"{n} answers are stored in {self._answers.files[0]}, and the same command goes on from there"

    def _require_model(self) -> None:
        """Check that the server is there, takes the key and lists the model, where it lists any."""
        try:
            names = self._client.models()
        except RefusedError as error:
            raise self._refusal(error) from None
        except EndpointError as error:
            raise EndpointError(f"{self.name}: the server cannot be reached: {error}") from None
        if names and self._address.model not in names:
            raise UnknownNameError(f"model of {self._address.url}", self._address.model, names)

    def _agreed(self) -> Dialect:
        """The parameters that the server takes, found with one request of one token."""
        if self._dialect is None:
            self._dialect = self._negotiated()
            self.states_matches = not self._dialect.logprobs
        return self._dialect

    def _negotiated(self) -> Dialect:
        dialect = Dialect()
        while True:
            try:
                reply = self._submit(Request("Answer with yes.", "", 1), None, dialect).result()
            except RefusedError as error:
                other = dialect.without(error.complaint.casefold()) if error.status in (400, 422) else None
                if other is None:
                    raise self._refusal(error) from None
                dialect = other
                continue
            except EndpointError as error:
                raise EndpointError(
                    f"{self.name}: a request keeps failing: {error}; {self._stored()}"
                ) from None
            self.sources = {**self.sources, "served": reply.served}
            return dialect if reply.first else dialect.plain()


def _refused(reply: Reply) -> Mapping[str, float]:
    return {"refused": 1.0} if reply.refused else {}
