"""The live stream: everything once, in order, resumable, and it ends with the Run."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import httpx

from bot.core.machine import State
from tests.dashboard.house import House


def events(answer: httpx.Response) -> list[tuple[str, str, dict[str, object]]]:
    """(event, id, data) of each event in the answer."""
    found = []
    for block in answer.text.replace("\r\n", "\n").strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return found


def lines(answer: httpx.Response) -> list[object]:
    return [data["text"] for event, _, data in events(answer) if event == "line"]


async def test_a_finished_run_is_told_whole_and_ends(house: House) -> None:
    await house.run(state=State.DONE)
    first = await house.note("error", sentence="one")
    second = await house.note("error", sentence="two")
    answer = await house.browser.get("/runs/r1/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event for event, _, _ in events(answer)] == ["line", "line", "run", "end"]
    assert [found for event, found, _ in events(answer) if event == "line"] == [str(first), str(second)]


async def test_it_carries_on_where_the_browser_was(house: House) -> None:
    await house.run(state=State.DONE)
    seen = await house.note("error", sentence="old")
    await house.note("error", sentence="new")
    by_address = await house.browser.get(f"/runs/r1/events?after={seen}")
    by_header = await house.browser.get("/runs/r1/events?after=0", headers={"Last-Event-ID": str(seen)})
    assert lines(by_address) == lines(by_header) == ["Error: new"]


async def test_nonsense_positions_begin_at_the_beginning(house: House) -> None:
    await house.run(state=State.DONE)
    await house.note("error", sentence="one")
    for position in ("x", "-1", "9" * 30, "\u0661"):
        assert lines(await house.browser.get("/runs/r1/events", params={"after": position})) == ["Error: one"]


async def test_what_happens_while_listening_arrives_and_the_end_ends_it(house: House) -> None:
    run = await house.run(state=State.PUBLISHING)
    listening = asyncio.create_task(house.browser.get("/runs/r1/events"))
    await asyncio.sleep(0.05)
    await house.note("stage.started", stage="publish")
    saved = await house.store.runs.save(replace(run, state=State.IN_REVIEW), owner="", expected=State.PUBLISHING)
    assert saved.state is State.IN_REVIEW
    await house.store.journal.append("r1", "state", {"from": "publishing", "to": "in_review"})
    answer = await asyncio.wait_for(listening, 10)
    assert lines(answer) == ["Stage publish started", "The run went from publishing to in review"]
    assert events(answer)[-1][0] == "end"
    assert next(data["state"] for event, _, data in events(answer) if event == "run") == "publishing"
