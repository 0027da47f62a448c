"""ATTACKS.md 45 to 48, 76 and 77: what strangers send to the webhook."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.core import webhook
from tests.intake_front import NEW, Front, labelled, open_front, sign


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path) as front:
        yield front


GOOD = sign(json.dumps(labelled()).encode())


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        GOOD[:-1],
        GOOD + "0",
        GOOD.upper(),
        GOOD.removeprefix("sha256="),
        "sha1=" + "0" * 40,
        sign(json.dumps(labelled()).encode(), ""),
        sign(json.dumps(labelled()).encode(), "another"),
        sign(b""),
        "sha256=\u00e9" + "0" * 63,
        "x" * 60_000,
    ],
)
async def test_45_a_wrong_signature_is_refused(front: Front, signature: str) -> None:
    headers = [("content-type", b"application/json"), ("x-github-event", b"issues"), ("x-github-delivery", b"one")]
    if signature:
        headers.append(("x-hub-signature-256", signature.encode("latin-1")))
    sent = [(name.encode(), value) for name, value in headers]
    answer = await front.client.post("/webhooks/github", content=json.dumps(labelled()).encode(), headers=sent)

    assert answer.status_code == 401
    assert await front.stored() == 0


async def test_45_the_signature_is_of_the_raw_bytes(front: Front) -> None:
    raw = json.dumps(labelled()).encode()

    assert (await front.post(raw + b" ", x_hub_signature_256=sign(raw))).status_code == 401
    assert (await front.post(raw + b" ")).status_code == 202


def test_45_without_a_secret_nothing_is_signed() -> None:
    assert not webhook.signed([], b"{}", sign(b"{}", "").encode())


@given(st.binary(max_size=80))
def test_45_no_other_bytes_are_a_signature(signature: bytes) -> None:
    assert webhook.signed([NEW.encode()], b"body", signature) == (signature == sign(b"body").encode())


async def test_46_a_replay_under_a_new_id_is_known(front: Front) -> None:
    assert (await front.post(delivery="first")).status_code == 202

    replayed = await front.post(delivery="second")

    assert replayed.status_code == 200
    assert await front.stored() == 1
    assert await front.queue.depth() == 1


COMMENT = {
    "action": "created",
    "issue": {"number": 1},
    "comment": {"id": 1, "body": "/fettle fix"},
    "repository": {"id": 7},
}


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("issue_comment", labelled()),
        ("pull_request", labelled()),
        ("push", labelled()),
        ("installation", labelled(installation={"id": 1})),
        ("issues", COMMENT),
        ("pull_request_review", COMMENT),
        ("repository", labelled()),
        ("issues", labelled(issue=None)),
        ("issues", labelled(issue=[])),
        ("issues", labelled(issue="text")),
        ("issues", []),
        ("issues", "text"),
        ("issues", None),
    ],
)
async def test_46_a_body_under_another_events_name_is_refused(front: Front, event: str, body: object) -> None:
    answer = await front.post(json.dumps(body).encode(), event=event)

    assert answer.status_code == 400
    assert await front.stored() == 0


@pytest.mark.parametrize("event", ["", "Issues", "issues\\n", "../issues", "x" * 65, "issues issues", "1"])
async def test_46_a_malformed_event_name_is_refused(front: Front, event: str) -> None:
    answer = await front.post(x_github_event=event)

    assert answer.status_code == 400


@pytest.mark.parametrize("delivery", ["a b", "x" * 129, "'; DROP TABLE deliveries; --", "-", "\u00e9"])
async def test_77_a_malformed_delivery_id_is_refused(front: Front, delivery: str) -> None:
    answer = await front.client.post(
        "/webhooks/github",
        content=json.dumps(labelled()).encode(),
        headers=[
            (b"content-type", b"application/json"),
            (b"x-github-event", b"issues"),
            (b"x-github-delivery", delivery.encode()),
            (b"x-hub-signature-256", GOOD.encode()),
        ],
    )

    assert answer.status_code == 400


async def test_47_a_long_body_is_refused_by_its_header(front: Front) -> None:
    answer = await front.post(b"{}", content_length=str(webhook.MAX_BODY + 1))

    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 30, "0x10"])
async def test_47_a_length_that_is_no_number_is_refused(front: Front, length: str) -> None:
    assert (await front.post(b"{}", content_length=length)).status_code == 413


async def test_47_a_chunked_body_is_refused_before_it_is_read_to_the_end(front: Front) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(200):
            read += 1
            yield b"x" * 1_000_000

    answer = await front.client.post(
        "/webhooks/github",
        content=endless(),
        headers={"content-type": "application/json", "x-hub-signature-256": GOOD, "x-github-event": "issues"},
    )

    assert answer.status_code == 413
    assert read < 30


async def test_47_an_unsigned_body_is_not_read_at_all(front: Front) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(10):
            read += 1
            yield b"x" * 1_000_000

    answer = await front.client.post(
        "/webhooks/github", content=endless(), headers={"content-type": "application/json"}
    )

    assert answer.status_code == 401
    assert read == 0


async def test_47_many_large_unverified_bodies_do_not_fill_the_memory(front: Front) -> None:
    gate = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(24):
            yield b"x" * 1_000_000
        await gate.wait()

    async def send() -> int:
        headers = {"content-type": "application/json", "x-hub-signature-256": GOOD}
        return (await front.client.post("/webhooks/github", content=slow(), headers=headers)).status_code

    sends = [asyncio.create_task(send()) for _ in range(12)]
    async with asyncio.timeout(30):
        while sum(task.done() for task in sends) < 4:  # noqa: ASYNC110 # there is no event for "some were refused"
            await asyncio.sleep(0.02)
    done, held = {task for task in sends if task.done()}, {task for task in sends if not task.done()}
    gate.set()

    assert {task.result() for task in done} == {503}
    assert len(held) <= 8
    assert {task.result() for task in (await asyncio.wait(held))[0]} == {401}
    assert (await front.post()).status_code == 202


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "", "application/jsonp", "multipart/form-data"]
)
async def test_47_another_content_type_is_refused(front: Front, kind: str) -> None:
    assert (await front.post(content_type=kind)).status_code == 415


async def test_47_a_charset_is_no_other_type_and_gzip_is_refused(front: Front) -> None:
    packed = gzip.compress(json.dumps(labelled()).encode())

    assert (await front.post(content_type="Application/JSON; charset=utf-8")).status_code == 202
    assert (await front.post(packed, content_encoding="gzip")).status_code == 415
    assert (await front.post(packed)).status_code == 400


async def test_48_what_comes_out_of_order_is_stored_as_it_came(front: Front) -> None:
    later, earlier = labelled(action="unlabeled"), labelled(action="labeled")

    assert [(await front.post(body, delivery=name)).status_code for body, name in ((later, "b"), (earlier, "a"))] == [
        202,
        202,
    ]
    assert await front.store.inbox.undone(0) == ["b", "a"]


async def test_48_a_redelivery_of_what_crashed_is_one_job_and_stays_undone(front: Front) -> None:
    await front.post(delivery="one")
    await front.store.inbox.started("one")

    assert (await front.post(delivery="one")).status_code == 200
    assert await front.queue.depth() == 1
    assert await front.store.inbox.undone(0) == ["one"]


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 200_000,
        b'{"issue":' * 100_000,
        b'{"issue":{},"repository":{},"n":' + b"9" * 10_000_000 + b"}",
        b"",
        b"{",
        b"nul",
        b"\xff\xfe{}",
        b'{"a":1}{"b":2}',
        b'{"issue":{}, "issue":[], "repository":{}}',
    ],
    ids=["deep list", "deep object", "10 MB int", "empty", "cut", "word", "not utf-8", "two", "key twice"],
)
async def test_76_what_breaks_a_parser_is_a_400(front: Front, raw: bytes) -> None:
    answer = await front.post(raw)

    assert answer.status_code == 400
    assert await front.stored() == 0


NASTY = "\n\r\0 \ud800 \udfff %s {0} '; DROP TABLE runs; -- \u202e \x1b[31m"


async def test_77_nasty_names_round_trip(front: Front) -> None:
    body = labelled(issue={"number": 1, "title": NASTY}, action=NASTY)

    assert (await front.post(body, delivery="one")).status_code == 202

    found = await front.store.inbox.get("one")
    assert found is not None
    assert json.loads(found.payload)["issue"]["title"] == NASTY
    assert found.action == ""


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200), st.sampled_from([*webhook.SHAPES, "unknown"]))
def test_76_any_bytes_are_a_body_or_a_bad_body(body: bytes, event: str) -> None:
    try:
        action = webhook.action_of(event, body)
    except webhook.BadBody:
        return
    assert isinstance(json.loads(body), dict)
    assert action.isascii()
