"""The store's contract, over SQLite and PostgreSQL alike."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import Infrastructure
from bot.core.findings import Finding, SuiteEnd, TestCase, TestOutcome, TestReport
from bot.core.machine import ACTIVE, ENDED, State
from bot.core.patch import FileChange, Mode, Patch
from bot.core.proof import Claim, ClaimName, Proof, Strength
from bot.core.run import Baseline, Ending, FixerName, Plan, Run, Subject, SubjectKind, Target, TargetKind
from bot.store import MAX_ATTEMPTS, Delivery, EffectState, LeaseLost, Repository, Source, Store, codec, migrations
from bot.store.database import Database
from bot.store.tables import metadata

NASTY = "newline\n nul\0 surrogate \ud800 mark \ue000 quote ' percent %s {} \u2028"


class Clock:
    """Time that only moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(url: str, clock: Clock) -> AsyncIterator[Store]:
    store = await Store.open(url, clock=clock)
    yield store
    await store.close()


def delivery(number: int, clock: Clock, **changes: object) -> Delivery:
    made = Delivery(f"id-{number}", "issues", "labeled", b"body %d \x00\xff" % number, clock())
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type] # the changes are the test's


def run(clock: Clock, **changes: object) -> Run:
    subject = Subject(SubjectKind.ISSUE, 7, NASTY, body=NASTY, author="ann")
    made = Run("run-1", 1, 2, "acme/calc", subject, State.QUEUED, "ann", clock(), clock())
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type] # the changes are the test's


async def test_a_delivery_is_stored_once_and_returned_as_it_came(store: Store, clock: Clock) -> None:
    first = delivery(1, clock, error=NASTY)

    assert await store.inbox.accept(first)
    assert not await store.inbox.accept(first)

    assert await store.inbox.get("id-1") == first
    assert await store.inbox.get("other") is None


async def test_the_same_body_under_another_id_or_event_is_a_replay(store: Store, clock: Clock) -> None:
    assert await store.inbox.accept(delivery(1, clock))

    assert not await store.inbox.accept(delivery(1, clock, id="fresh"))
    assert not await store.inbox.accept(delivery(1, clock, id="fresher", event="issue_comment"))
    assert await store.inbox.get("fresh") is None


async def test_internal_signals_may_be_alike(store: Store, clock: Clock) -> None:
    ticks = [delivery(1, clock, id=f"tick-{n}", payload=b"{}", source=Source.INTERNAL) for n in range(3)]

    assert [await store.inbox.accept(tick) for tick in ticks] == [True, True, True]


async def test_concurrent_accepts_each_get_their_own_answer(store: Store, clock: Clock) -> None:
    many = [delivery(number % 40, clock) for number in range(200)]

    created = await asyncio.gather(*(store.inbox.accept(one) for one in many))

    assert sum(created) == 40
    assert (await store.inbox.counts()).waiting == 40


async def test_one_bad_delivery_does_not_fail_its_neighbours(store: Store, clock: Clock) -> None:
    many = [delivery(number, clock) for number in range(5)]
    many[2] = dataclasses.replace(many[2], payload="text")  # type: ignore[arg-type] # on purpose

    answers = await asyncio.gather(*(store.inbox.accept(one) for one in many), return_exceptions=True)

    assert [answer is True for answer in answers] == [True, True, False, True, True]
    assert isinstance(answers[2], Exception)


async def test_a_cancelled_accept_leaves_the_inbox_working(store: Store, clock: Clock) -> None:
    task = asyncio.create_task(store.inbox.accept(delivery(1, clock)))
    await asyncio.sleep(0)
    task.cancel()

    assert await store.inbox.accept(delivery(2, clock))


async def test_received_and_done_are_two_states(store: Store, clock: Clock) -> None:
    await store.inbox.accept(delivery(1, clock))
    assert await store.inbox.started("id-1") == 1
    await store.inbox.fail("id-1", NASTY)
    clock.advance(61)

    assert await store.inbox.undone(60) == ["id-1"]
    assert await store.inbox.oldest_undone_age() == 61
    await store.inbox.finish("id-1")

    assert await store.inbox.undone(60) == []
    assert await store.inbox.oldest_undone_age() == 0
    found = await store.inbox.get("id-1")
    assert found is not None
    assert (found.attempts, found.done_at, found.error) == (1, clock(), "")


async def test_a_started_delivery_is_left_alone_for_a_while(store: Store, clock: Clock) -> None:
    await store.inbox.accept(delivery(1, clock))
    clock.advance(100)
    await store.inbox.started("id-1")

    assert await store.inbox.undone(60) == []
    clock.advance(60)
    assert await store.inbox.undone(60) == ["id-1"]


async def test_after_enough_attempts_a_delivery_is_dead(store: Store, clock: Clock) -> None:
    await store.inbox.accept(delivery(1, clock))
    for _ in range(MAX_ATTEMPTS):
        await store.inbox.started("id-1")
    clock.advance(100)

    assert await store.inbox.undone(0) == []
    assert (await store.inbox.counts()).dead == 1
    assert await store.inbox.started("nobody") == 0


async def test_pruning_keeps_what_waits(store: Store, clock: Clock) -> None:
    for number in range(3):
        await store.inbox.accept(delivery(number, clock))
    await store.inbox.finish("id-0")
    clock.advance(100)
    await store.inbox.finish("id-1")

    assert await store.inbox.prune(200) == 0
    assert await store.inbox.prune(50) == 2
    assert await store.inbox.get("id-2") is not None


async def test_a_run_round_trips_with_everything_in_it(store: Store, clock: Clock) -> None:
    full = run(
        clock,
        base="a" * 40,
        branch="fettle/x",
        head="b" * 40,
        rung=1,
        tries=2,
        fixer=FixerName.SEARCH,
        plan=plan("a" * 40, NASTY),
        patch=Patch("a" * 40, (FileChange("x.py", b"\xff\x00", Mode.EXECUTABLE), FileChange("y.py", None))),
        proof=Proof(Strength.PROVEN, (Claim(ClaimName.POLICY_KEPT, True, NASTY),)),
        pull_request=3,
        ending=Ending.PUBLISHED,
        reason=NASTY,
        cost_usd=0.25,
    )

    assert await store.runs.create(full) == (full, True)
    assert await store.runs.get(full.id) == full


def plan(base: str, text: str) -> Plan:
    finding = Finding.of("ruff", "F401", "a.py", 1, text, source=text, fixable=True)
    tests = TestReport(SuiteEnd.COMPLETED, (TestCase("a.py::t", TestOutcome.FAILED, text, 0.5),), text, 1.5)
    return Plan(base, "python", Target(TargetKind.TESTS, ("a.py::t",), (finding,)), Baseline(tests, (finding,)))


async def test_one_active_run_a_subject(store: Store, clock: Clock) -> None:
    first, _ = await store.runs.create(run(clock))

    assert await store.runs.create(run(clock, id="run-2")) == (first, False)
    assert (await store.runs.create(run(clock, id="run-3", repository_id=9)))[1]
    assert await store.runs.active(1, "issue:7") == first
    await store.runs.save(dataclasses.replace(first, state=State.FAILED), owner="", expected=State.QUEUED)

    assert await store.runs.active(1, "issue:7") is None
    clock.advance(1)
    second, created = await store.runs.create(run(clock, id="run-2"))
    assert created
    assert await store.runs.latest(1, "issue:7") == second


async def test_of_many_that_create_at_once_one_wins(store: Store, clock: Clock) -> None:
    results = await asyncio.gather(*(store.runs.create(run(clock, id=f"run-{n}")) for n in range(10)))

    assert sum(created for _, created in results) == 1
    assert len({made.id for made, _ in results}) == 1


async def test_a_lease_has_one_holder_until_it_expires(store: Store, clock: Clock) -> None:
    await store.runs.create(run(clock))
    holders = await asyncio.gather(*(store.runs.acquire("run-1", f"worker-{n}", 60) for n in range(8)))
    held = [holder for holder in holders if holder]
    assert len(held) == 1
    owner = held[0].lease_owner

    clock.advance(59)
    assert await store.runs.acquire("run-1", "late", 60) is None
    assert await store.runs.renew("run-1", owner, 60)
    clock.advance(59)
    assert await store.runs.acquire("run-1", "late", 60) is None
    clock.advance(1)
    taken = await store.runs.acquire("run-1", "late", 60)

    assert taken is not None
    assert taken.lease_owner == "late"
    assert not await store.runs.renew("run-1", owner, 60)
    await store.runs.release("run-1", owner)
    assert await store.runs.acquire("run-1", "third", 60) is None
    await store.runs.release("run-1", "late")
    assert await store.runs.acquire("run-1", "third", 60) is not None
    assert await store.runs.acquire("nobody", "third", 60) is None


async def test_a_worker_that_lost_its_lease_cannot_save(store: Store, clock: Clock) -> None:
    await store.runs.create(run(clock))
    mine = await store.runs.acquire("run-1", "mine", 60)
    assert mine is not None
    planning = dataclasses.replace(mine, state=State.PLANNING)
    saved = await store.runs.save(planning, owner="mine", expected=State.QUEUED)
    assert saved.state is State.PLANNING

    with pytest.raises(LeaseLost):
        await store.runs.save(planning, owner="mine", expected=State.QUEUED)
    clock.advance(61)
    await store.runs.acquire("run-1", "other", 60)
    with pytest.raises(LeaseLost):
        await store.runs.save(planning, owner="mine", expected=State.PLANNING)


async def test_saving_leaves_lease_and_cancel_to_others(store: Store, clock: Clock) -> None:
    await store.runs.create(run(clock))
    mine = await store.runs.acquire("run-1", "mine", 60)
    assert mine is not None
    await store.runs.request_cancel("run-1", NASTY)
    clock.advance(5)
    await store.runs.renew("run-1", "mine", 60)

    saved = await store.runs.save(dataclasses.replace(mine, tries=4), owner="mine", expected=State.QUEUED)

    assert (saved.tries, saved.cancel, saved.lease_until) == (4, NASTY, clock() + timedelta(seconds=60))
    assert (saved.created_at, saved.updated_at) == (mine.created_at, clock())


async def test_the_first_reason_to_cancel_stays(store: Store, clock: Clock) -> None:
    await store.runs.create(run(clock))
    assert await store.runs.cancel_reason("run-1") == ""
    await store.runs.request_cancel("run-1", "label removed")
    asked = await store.runs.request_cancel("run-1", "issue closed")

    assert asked is not None
    assert asked.cancel == await store.runs.cancel_reason("run-1") == "label removed"
    await store.runs.save(dataclasses.replace(asked, state=State.CANCELLED), owner="", expected=State.QUEUED)
    assert await store.runs.request_cancel("run-1", "again") is None
    assert await store.runs.request_cancel("nobody", "again") is None


async def test_stale_runs_are_those_that_nobody_works_on(store: Store, clock: Clock) -> None:
    states = {State.QUEUED: True, State.EDITING: True, State.AWAITING_APPROVAL: False, State.IN_REVIEW: False}
    for number, state in enumerate(states):
        await store.runs.create(run(clock, id=str(number), repository_id=number, state=state))
    await store.runs.acquire("0", "worker", 60)

    assert await store.runs.stale() == ["1"]
    assert await store.runs.stale(idle_seconds=10) == []
    clock.advance(61)
    assert await store.runs.stale(idle_seconds=10) == ["0", "1"]
    assert await store.runs.stale(limit=1) == ["0"]


async def test_runs_are_listed_newest_first_and_counted(store: Store, clock: Clock) -> None:
    for number in range(4):
        await store.runs.create(run(clock, id=str(number), repository_id=number % 2, state=list(ENDED)[number]))
        clock.advance(1)

    assert [found.id for found in await store.runs.list()] == ["3", "2", "1", "0"]
    assert [found.id for found in await store.runs.list(limit=1, repository_id=0)] == ["2"]
    assert [found.state for found in await store.runs.list(states=[State.DONE])] == [State.DONE]
    assert await store.runs.list(states=ACTIVE) == []
    counts = await store.runs.counts()
    assert (counts[State.DONE], counts[State.QUEUED], set(counts)) == (1, 0, set(State))


async def test_the_journal_rises_and_sums(store: Store, clock: Clock) -> None:
    first = await store.journal.append("run-1", "stage", {"text": NASTY, "n": [1, None]}, cost_usd=0.5, tokens=10)
    await store.journal.append("run-2", "stage", cost_usd=4)
    second = await store.journal.append("run-1", "end", cost_usd=0.25)

    assert await store.journal.read("run-1") == [first, second]
    assert await store.journal.read("run-1", after=first.seq) == [second]
    assert await store.journal.read("run-1", limit=1) == [first]
    assert (first.at, first.tokens) == (clock(), 10)
    assert await store.journal.cost("run-1") == 0.75
    assert await store.journal.cost("nobody") == 0
    assert await store.journal.cost() == 4.75


async def test_a_tail_of_the_journal_misses_nothing(store: Store) -> None:
    async def write(number: int) -> None:
        for _ in range(5):
            await store.journal.append("run-1", f"writer-{number}")

    async def tail() -> list[int]:
        seen: list[int] = []
        while len(seen) < 20:
            seen += [entry.seq for entry in await store.journal.read("run-1", after=seen[-1] if seen else 0)]
        return seen

    async with asyncio.timeout(20):
        seen, *_ = await asyncio.gather(tail(), *(write(number) for number in range(4)))
    assert seen == [entry.seq for entry in await store.journal.read("run-1")]


async def test_an_effect_is_begun_once_and_keeps_its_result(store: Store) -> None:
    begun = await asyncio.gather(*(store.effects.begin("pr:1", "run-1", "pull") for _ in range(5)))
    assert sorted(effect.created for effect in begun) == [False, False, False, False, True]
    assert {effect.state for effect in begun} == {EffectState.PENDING}

    await store.effects.finish("pr:1", {"number": 3, "title": NASTY})
    await store.effects.finish("pr:1", {"number": 4})

    again = await store.effects.begin("pr:1", "run-1", "pull")
    assert (again.state, again.created, again.result) == (EffectState.DONE, False, {"number": 3, "title": NASTY})
    assert await store.effects.get("nothing") is None
    with pytest.raises(KeyError):
        await store.effects.finish("nothing", {})


async def test_repositories_come_go_and_are_renamed(store: Store, clock: Clock) -> None:
    calc, web = Repository(1, 5, "acme/calc", "main"), Repository(2, 5, "Acme/Web", NASTY)
    await store.repositories.upsert([calc, web, calc])
    await store.repositories.upsert([])
    assert await store.repositories.list() == [calc, web]
    assert await store.repositories.by_name("acme/WEB") == web

    clock.advance(1)
    renamed = dataclasses.replace(calc, full_name="acme/web")
    await store.repositories.upsert([renamed])
    assert await store.repositories.by_name("acme/web") == renamed
    assert await store.repositories.by_name("acme/calc") is None

    await store.repositories.suspend(5, True)
    assert [repository.active for repository in await store.repositories.list()] == [False, False]
    await store.repositories.suspend(5, False)
    await store.repositories.remove([2, 99])
    assert await store.repositories.list() == [renamed]
    assert await store.repositories.get(2) is None
    await store.repositories.forget_installation(5)
    assert await store.repositories.list() == []


async def test_stage_durations_are_summed_for_every_process(store: Store) -> None:
    for seconds in (0.2, 0.3, 9999):
        await store.measures.observe("plan", seconds)

    (plan_seconds,) = await store.measures.stages()

    buckets = dict(plan_seconds.buckets)
    assert (buckets["0.1"], buckets["0.25"], buckets["0.5"], buckets["1800.0"], buckets["+Inf"]) == (0, 1, 2, 2, 3)
    assert plan_seconds.total == pytest.approx(9999.5)


async def test_a_failed_transaction_leaves_nothing(url: str, clock: Clock) -> None:
    database = await Database.open(url, clock=clock)

    async def fail() -> None:
        async with database.write() as connection:
            await connection.execute(sa.text("INSERT INTO effects VALUES ('k', 'r', 'x', NULL, 0, NULL)"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with database.read() as connection:
        assert (await connection.execute(sa.text("SELECT count(*) FROM effects"))).scalar_one() == 0
    await database.close()


async def test_the_migration_scripts_make_the_tables(url: str, clock: Clock) -> None:
    database = await Database.open(url, clock=clock)

    def rebuilt(connection: sa.Connection) -> list[object]:
        metadata.drop_all(connection)
        connection.execute(sa.text("DELETE FROM alembic_version"))
        migrations.run_scripts(connection)
        assert migrations.version(connection) == migrations.HEAD
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with database.write() as connection:
        assert await connection.run_sync(rebuilt) == []
    await database.close()
    assert ScriptDirectory(str(migrations.FOLDER)).get_current_head() == migrations.HEAD


OPENS_AND_WRITES = """
import asyncio, sys
from datetime import UTC, datetime
from bot.store import Delivery, Store
async def main(url, name):
    store = await Store.open(url, clock=lambda: datetime.now(UTC))
    for number in range(20):
        body = f"{name}-{number}".encode()
        assert await store.inbox.accept(Delivery(body.decode(), "issues", "", body, datetime.now(UTC)))
        await store.journal.append("run", "x")
    print(sum([await store.inbox.accept(Delivery(f"shared-{n}", "issues", "", b"shared %d" % n, datetime.now(UTC)))
               for n in range(20)]))
    await store.close()
asyncio.run(main(*sys.argv[1:]))
"""


async def test_processes_that_start_at_once_share_a_new_database(url: str, clock: Clock) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", OPENS_AND_WRITES, url, str(number), stdout=asyncio.subprocess.PIPE
        )
        for number in range(3)
    ]
    outputs = [(await process.communicate())[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum(int(output) for output in outputs) == 20
    store = await Store.open(url, clock=clock)
    assert (await store.inbox.counts()).waiting == 80
    assert len(await store.journal.read("run")) == 60
    await store.close()


async def test_sqlite_copies_its_log_back_while_it_is_written(tmp_path: Path, clock: Clock) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'fettle.db'}", clock=clock)
    for number in range(60):
        await store.inbox.accept(delivery(number, clock, payload=b"%d" % number + b"x" * 1_000_000))
    await store.ping()

    assert (tmp_path / "fettle.db-wal").stat().st_size < 40_000_000
    assert (tmp_path / "fettle.db").stat().st_mode & 0o077 == 0
    await store.close()


async def test_a_database_that_cannot_be_opened_is_one_sentence_without_the_password(clock: Clock) -> None:
    with pytest.raises(Infrastructure, match="DATABASE_URL") as caught:
        await Store.open("postgresql://ann:hunter2@/x?host=/nowhere", clock=clock)

    assert "hunter2" not in str(caught.value)
    with pytest.raises(Infrastructure, match="needs a file"):
        await Store.open("sqlite:///:memory:", clock=clock)


texts = st.text(st.characters(), max_size=30)  # every code point, surrogates too
findings = st.builds(
    Finding, texts, texts, texts, st.integers(0, 9999), texts, st.text("0123456789abcdef", max_size=20), st.booleans()
)
cases = st.builds(TestCase, texts, st.sampled_from(TestOutcome), texts, st.floats(0, 1e6))
reports = st.builds(
    TestReport, st.sampled_from(SuiteEnd), st.lists(cases, max_size=3).map(tuple), texts, st.floats(0, 1e6)
)
targets = st.builds(
    Target,
    st.sampled_from(TargetKind),
    st.lists(texts, max_size=3).map(tuple),
    st.lists(findings, max_size=2).map(tuple),
)
plans = st.builds(Plan, texts, texts, targets, st.builds(Baseline, reports, st.lists(findings, max_size=2).map(tuple)))
patches = st.dictionaries(st.text("abc", min_size=1), st.none() | st.binary(max_size=50), max_size=4).map(
    lambda files: Patch("a" * 40, tuple(FileChange(path, content) for path, content in files.items()))
)
proofs = st.builds(
    Proof,
    st.sampled_from(Strength),
    st.lists(st.builds(Claim, st.sampled_from(ClaimName), st.booleans(), texts), max_size=3).map(tuple),
)
subjects = st.builds(Subject, st.sampled_from(SubjectKind), st.integers(0, 10**9), texts, texts, texts)


@given(plans | patches | proofs | subjects)
def test_stored_values_round_trip(value: Plan | Patch | Proof | Subject) -> None:
    kind: type[object] = type(value)
    text = codec.encode(kind, value)

    assert text.isascii()
    assert codec.decode(kind, text) == value


@given(texts)
def test_stored_texts_round_trip_and_fit_every_database(text: str) -> None:
    escaped = codec.escape(text)

    assert "\0" not in escaped
    escaped.encode()
    assert codec.unescape(escaped) == text
