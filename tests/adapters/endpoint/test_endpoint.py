"""Models behind an endpoint: what is sent and stored, how faults are met, and that the key is shown nowhere."""

import base64
import email.utils
import io
import json
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from mafs_bench.adapters.base import Settings
from mafs_bench.adapters.endpoint.adapter import Endpoint
from mafs_bench.adapters.endpoint.address import Address
from mafs_bench.adapters.endpoint.answers import FILE, Answers
from mafs_bench.adapters.endpoint.client import Limits
from mafs_bench.adapters.endpoint.png import UrlCache, pixel_digest, png_url
from mafs_bench.adapters.endpoint.replies import Reply
from mafs_bench.adapters.endpoint.secret import Secret
from mafs_bench.errors import EndpointError, UnknownNameError, UsageError
from mafs_bench.prompts import load_prompts
from tests.support.endpoint_stub import Reaction, Stub, completion, logprobs, prompt_of, running

KEY = "sk-test-0123456789abcdef"
N = 24


def _echo(table: dict, n: int) -> Reaction:
    return Reaction(body=completion(prompt_of(table).partition("\n")[0]))


@contextmanager
def _model(
    react=_echo, folders=(), *, key: str = "", attempts: int = 6, timeout: float = 10.0, concurrency: int = 8
):
    """A stub and a model of it, whose pauses are short."""
    with running(Stub(react, key=key)) as stub:
        limits = Limits(timeout, attempts, concurrency, backoff=0.01)
        model = Endpoint(Address("tiny", stub.url), Secret(key), limits, load_prompts())
        if folders:
            model.keep_answers(folders)
        try:
            yield stub, model
        finally:
            model.close()


def _ask(model: Endpoint, n: int = N, first: int = 0) -> list[str]:
    images = [np.full((8, 8, 3), i, dtype=np.uint8) for i in range(first, first + n)]
    answers = model.answer(images, [f"q{i}" for i in range(first, first + n)], np.ones((n, 2), dtype=bool))
    return [answer.text for answer in answers]


EXPECTED = [f"q{i}" for i in range(N)]


def test_the_request_holds_the_prompt_and_exactly_the_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    with _model() as (stub, model):
        model.answer([image, image], ["What?", "Why?"], np.array([[True, True], [False, True]]))
        shown, alone = sorted(stub.seen[-2:], key=lambda table: -len(table["messages"][0]["content"]))
    assert (shown["model"], shown["temperature"], shown["max_tokens"]) == ("tiny", 0, 16)
    picture, text = shown["messages"][0]["content"]
    assert text["text"] == load_prompts().tasks["vqa"].fill(question="What?")
    data = picture["image_url"]["url"].removeprefix("data:image/png;base64,")
    decoded = np.array(PILImage.open(io.BytesIO(base64.b64decode(data))))
    assert np.array_equal(decoded, image)
    assert [part["type"] for part in alone["messages"][0]["content"]] == ["text"]


def test_each_image_is_encoded_once_and_the_memory_of_urls_is_bounded() -> None:
    images = [np.full((40, 40, 3), i, dtype=np.uint8) for i in range(20)]
    cache = UrlCache(max_bytes=3 * len(png_url(images[0])))
    urls = [cache.url(pixel_digest(image), image) for image in images]
    assert urls == [png_url(image) for image in images]
    assert (
        cache.url(pixel_digest(images[-1]), images[0]) is urls[-1]
    )  # found by its digest, not encoded again
    assert len(cache._urls) <= 3


def test_answers_are_in_order_whatever_comes_first_and_the_limit_of_concurrency_holds() -> None:
    def react(table: dict, n: int) -> Reaction:
        return Reaction(body=_echo(table, n).body, delay=0.02 * (n % 5))

    with _model(react) as (stub, model):
        assert _ask(model) == EXPECTED
        assert 4 <= stub.most_in_flight <= 8


@pytest.mark.parametrize(
    "fault",
    [
        Reaction(429, b'{"error": {"message": "slow down"}}', {"Retry-After": "0.2"}),
        Reaction(503, b"", {"Retry-After": email.utils.formatdate(time.time() + 1)}),
        Reaction(500, b"oops"),
        Reaction(drop=True),
        Reaction(body=b'{"choices": ['),
        Reaction(body=b'{"choices": []}'),
        Reaction(body=b"[1]"),
        Reaction(delay=1.0, body=completion("late")),
    ],
    ids=["429", "503", "500", "dropped", "cut", "no choice", "no object", "slow"],
)
def test_faults_lose_nothing_and_count_nothing_twice(fault: Reaction, tmp_path: Path) -> None:
    def react(table: dict, n: int) -> Reaction:
        return fault if n % 3 == 1 and n < 30 else _echo(table, n)

    with _model(react, [tmp_path], timeout=0.5 if fault.delay else 10.0) as (stub, model):
        assert _ask(model) == EXPECTED
        usage = model.usage()
    assert usage["requests"] == N + 1  # one asks what the server can
    assert usage["tokens_in"] == 10 * (N + 1)
    assert len(stub.seen) > N + 1


def test_retry_after_is_honoured_by_all_requests() -> None:
    times: list[float] = []

    def react(table: dict, n: int) -> Reaction:
        times.append(time.monotonic())
        return Reaction(429, headers={"Retry-After": "0.5"}) if n == 1 else _echo(table, n)

    with _model(react, concurrency=2) as (_, model):
        assert _ask(model, 6) == EXPECTED[:6]
    late = [moment - times[1] for moment in times[2:]]
    assert sum(moment < 0.45 for moment in late) <= 1  # the one that was on its way


def test_a_rate_limit_ends_no_run_while_answers_come() -> None:
    def react(table: dict, n: int) -> Reaction:
        return _echo(table, n) if n % 8 == 0 else Reaction(429, headers={"Retry-After": "0.01"})

    with _model(react, attempts=2) as (_, model):
        assert _ask(model, 10) == EXPECTED[:10]


def test_a_server_that_dies_ends_the_run_in_one_line_and_nothing_is_asked_again(tmp_path: Path) -> None:
    def dying(table: dict, n: int) -> Reaction:
        return _echo(table, n) if n < 10 else Reaction(drop=True)

    with _model(dying, [tmp_path], attempts=2, concurrency=2) as (stub, model):
        with pytest.raises(
            EndpointError, match=r"keeps failing: .*\(sent 2 times\); 10 answers are stored in "
        ) as caught:
            _ask(model)
        assert "\n" not in str(caught.value)
        stub.react, before = _echo, len(stub.seen)
        again = Endpoint(Address("tiny", stub.url), Secret(), Limits(concurrency=2), load_prompts())
        again.keep_answers([tmp_path])
        assert _ask(again) == EXPECTED
        known = {prompt_of(table) for table in stub.answered[:10]}
        assert known.isdisjoint(prompt_of(table) for table in stub.seen[before:])
        assert len(stub.seen) - before == N + 1 - 10
        assert again.usage()["requests"] == N + 1
        again.close()


def test_equal_requests_in_flight_are_sent_once() -> None:
    def react(table: dict, n: int) -> Reaction:
        return Reaction(body=_echo(table, n).body, delay=0.1)

    with _model(react) as (stub, model):
        image = np.zeros((8, 8, 3), dtype=np.uint8)
        model.answer([image] * 5, ["q"] * 5, np.ones((5, 2), dtype=bool))
        assert len(stub.seen) == 2


def test_runs_share_a_cache_and_count_what_they_took_from_it(tmp_path: Path) -> None:
    with running(Stub(_echo)) as stub:
        for run, asked in (("a", N + 1), ("b", 0)):
            seen = len(stub.seen)
            model = Endpoint(Address("tiny", stub.url), Secret(), Limits(), load_prompts())
            model.keep_answers([tmp_path / run, tmp_path / "cache"])
            assert _ask(model) == EXPECTED
            usage = model.usage()
            model.close()
            assert len(stub.seen) - seen == asked
            assert (usage["requests"], usage["from_cache"]) == (N + 1, N + 1 - asked)
            assert usage["tokens_out"] == 2 * asked


def test_threads_and_processes_may_store_at_once(tmp_path: Path) -> None:
    stores = [Answers([tmp_path]) for _ in range(4)]

    def fill(store: Answers, number: int) -> None:
        for i in range(50):
            store.put(f"{i}", Reply(f"{i}", "stop", "tiny", tokens_in=1))
            assert store.get(f"{i}") is not None, number

    threads = [threading.Thread(target=fill, args=(store, i)) for i, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.usage()["tokens_in"] for store in stores] == [50] * 4


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"question": "other"}, False),
        ({"pixel": 1}, False),
        ({"max_new_tokens": 3}, False),
        ({"model": "other"}, False),
    ],
)
def test_answers_are_keyed_by_the_full_request(tmp_path: Path, change: dict, same: bool) -> None:
    with running(Stub(_echo)) as stub:

        def ask(
            question: str = "q", pixel: int = 0, max_new_tokens: int | None = None, model: str = "tiny"
        ) -> None:
            made = Endpoint(Address(model, stub.url), Secret(), Limits(), load_prompts(), max_new_tokens)
            made.keep_answers([tmp_path])
            made.answer([np.full((8, 8, 3), pixel, np.uint8)], [question], np.ones((1, 2), dtype=bool))
            made.close()

        ask()
        ask(**change)
        assert sum("Answer the question" in prompt_of(table) for table in stub.seen) == (1 if same else 2)


@pytest.mark.parametrize(
    ("reply", "text", "refused"),
    [
        (completion(None), "", False),
        (completion(""), "", False),
        (completion("I can't help with that", refusal=True), "", True),
        (completion("", finish_reason="content_filter"), "", True),
        (completion("lone \ud800 surrogate"), "lone ? surrogate", False),
    ],
)
def test_refusals_and_empty_answers_are_empty_texts(reply: bytes, text: str, refused: bool) -> None:
    with _model(lambda table, n: Reaction(body=reply)) as (_, model):
        answers = model.answer([np.zeros((8, 8, 3), np.uint8)], ["q"], np.ones((1, 2), dtype=bool))
    assert answers[0].text == text
    assert bool(answers[0].diagnostics.get("refused")) is refused
    assert answers[0].confidence is None


def test_log_probabilities_give_confidence_and_match_probability() -> None:
    def react(table: dict, n: int) -> Reaction:
        tops = (
            ("Yes", math.log(0.6)),
            (" yes", math.log(0.1)),
            ("No", math.log(0.2)),
            ("maybe", math.log(0.1)),
        )
        return Reaction(body=completion("Yes", logprobs=logprobs(*tops)))

    with _model(react) as (stub, model):
        image, there = [np.zeros((8, 8, 3), np.uint8)], np.ones((1, 2), dtype=bool)
        assert model.answer(image, ["q"], there)[0].confidence == pytest.approx(0.6)
        assert model.match_pairs(image, ["a dog"], there)[0] == pytest.approx(0.7 / 0.9)
        assert not model.states_matches
        assert (stub.seen[-1]["logprobs"], stub.seen[-1]["top_logprobs"]) == (True, 20)


def test_without_log_probabilities_a_match_is_what_is_stated() -> None:
    says = {"a dog": "Yes.", "a cat": " no", "a cow": "Perhaps"}

    def react(table: dict, n: int) -> Reaction:
        return Reaction(body=completion(next((says[c] for c in says if c in prompt_of(table)), "yes")))

    with _model(react) as (stub, model):
        found = model.match_pairs(
            [np.zeros((8, 8, 3), np.uint8)] * 3, list(says), np.ones((3, 2), dtype=bool)
        )
        assert model.states_matches
        assert "logprobs" not in stub.seen[-1]
    assert found[:2].tolist() == [1.0, 0.0]
    assert math.isnan(found[2])


def test_parameters_that_a_server_does_not_take_are_left_out() -> None:
    def react(table: dict, n: int) -> Reaction:
        for name, words in (
            ("logprobs", "logprobs are not supported"),
            ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
            ("temperature", "'temperature' does not support 0"),
        ):
            if name in table:
                return Reaction(400, json.dumps({"error": {"message": words}}).encode())
        return _echo(table, n)

    with _model(react) as (stub, model):
        assert _ask(model, 3) == EXPECTED[:3]
        assert {"max_completion_tokens", "messages", "model"} == set(stub.seen[-1])


# What is wrong gets one line.


def _refused(react: Callable[[dict, int], Reaction] = _echo, **options: object) -> str:
    with running(Stub(react, **options)) as stub, pytest.raises((EndpointError, UnknownNameError)) as caught:  # noqa: PT012
        model = Endpoint(
            Address("tiny", stub.url), Secret(), Limits(backoff=0.01, attempts=2), load_prompts()
        )
        try:
            _ask(model, 2)
        finally:
            model.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_key() -> None:
    assert "refuses the key (401: Incorrect API key: none); set OPENAI_API_KEY" in _refused(key=KEY)


def test_a_model_that_the_server_does_not_know() -> None:
    line = _refused(models=("tinny", "large"))
    assert "'tiny'" in line
    assert "Did you mean 'tinny'" in line
    assert "large" in line


def test_a_path_without_an_interface() -> None:
    line = _refused(lambda table, n: Reaction(404, b'{"detail": "Not Found"}'), models=None)
    assert "there is no chat completion at http" in line
    assert "/v1" in line


@pytest.mark.parametrize(
    "reaction",
    [
        Reaction(413, b"Request Entity Too Large"),
        Reaction(400, b'{"error": {"message": "Image size is above the limit of 20 MB"}}'),
    ],
)
def test_an_image_that_is_too_large(reaction: Reaction) -> None:
    line = _refused(lambda table, n: reaction if "data:image" in str(table) else _echo(table, n))
    assert "an image is larger than the server takes" in line


def test_no_quota_is_not_tried_again() -> None:
    body = b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
    assert "refuses a request (429: You exceeded your current quota)" in _refused(
        lambda t, n: Reaction(429, body)
    )


def test_a_server_that_asks_for_hours() -> None:
    line = _refused(lambda table, n: Reaction(429, headers={"Retry-After": "7200"}))
    assert "asks to wait 7200 s" in line


def test_a_redirect_is_not_followed() -> None:
    line = _refused(lambda table, n: Reaction(307, headers={"Location": "http://elsewhere/v1"}))
    assert "redirects to http://elsewhere/v1" in line


def test_an_endpoint_that_is_not_there() -> None:
    began = time.monotonic()
    with pytest.raises(
        EndpointError, match=r"api:tiny@http://127.0.0.1:9/v1: the server cannot be reached: ConnectError"
    ):
        Endpoint.load("tiny@http://127.0.0.1:9/v1", Settings())
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("argument", "model", "url"),
    [
        ("a@http://h/v1", "a", "http://h/v1"),
        ("org/a@main@https://h:8/v1/", "org/a@main", "https://h:8/v1"),
        ("/models/a@http-thing@http://h", "/models/a@http-thing", "http://h"),
    ],
)
def test_an_address_is_split_at_the_last_http(argument: str, model: str, url: str) -> None:
    assert Address.parse(argument) == Address(model, url)


def test_the_url_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://h:1/v1")
    assert Address.parse("gpt-x") == Address("gpt-x", "http://h:1/v1")
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(UsageError, match="api:gpt-x names no server"):
        Address.parse("gpt-x")


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{KEY}@h/v1",
        f"http://{KEY}@h/v1",
        f"http://h/v1?key={KEY}",
        f"http://h/v1#{KEY}",
        "http://",
        "http://h:x",
    ],
)
def test_a_url_that_cannot_be_used_or_may_hold_a_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Address.parse(f"a@{url}")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key_variable": KEY}, "never a key"),
        ({"key_variable": "MAFS_BENCH_NOT_THERE"}, "no such environment variable"),
        ({"key": KEY}, "unknown model argument of api: 'key'"),
        ({"timeout": "0"}, "timeout=0: allowed"),
        ({"attempts": "none"}, "attempts=none: allowed"),
    ],
)
def test_wrong_model_arguments(arguments: dict[str, str], message: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=message) as caught:
        Endpoint.load("a@http://127.0.0.1:9/v1", Settings(model_args=arguments))
    assert KEY not in str(caught.value)


def test_a_key_that_no_header_can_carry_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n{KEY}")
    with pytest.raises(UsageError) as caught:
        Endpoint.load("a@http://127.0.0.1:9/v1", Settings())
    assert KEY not in str(caught.value)


def test_the_key_is_sent_and_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even where the server repeats it, in answers and in errors; with all loggers on."""
    monkeypatch.setenv("MY_KEY", KEY)

    def react(table: dict, n: int) -> Reaction:
        if n == 3:
            return Reaction(400, json.dumps({"error": {"message": f"bad key {KEY}"}}).encode())
        return Reaction(body=completion(f"{KEY} {prompt_of(table)}"))

    caplog.set_level(logging.DEBUG)
    with running(Stub(react, key=KEY)) as stub:
        settings = Settings(model_args={"key_variable": "MY_KEY"}, concurrency=1)
        model = Endpoint.load(stub.spec.removeprefix("api:"), settings)
        model.keep_answers([tmp_path])
        with pytest.raises(EndpointError, match=r"bad key \*\*\*") as caught:
            _ask(model, 5)
        texts = [repr(model._secret), repr(vars(caught.value)), repr(model.sources), caplog.text]
        model.close()
    assert len(stub.answered) >= 2
    with sqlite3.connect(tmp_path / FILE) as database:
        texts += [str(row) for row in database.execute("SELECT * FROM answers")]
    chain, error = [], caught.value
    while error is not None:
        chain.append(str(error))
        error = error.__cause__ or error.__context__
    assert KEY not in "".join([*texts, *chain])
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())
