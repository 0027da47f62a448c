"""What the pages show of a Run, and what they never let through."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.machine import State
from bot.core.proof import Claim, ClaimName, Proof, Strength
from bot.core.run import Ending, FixerName, Subject, SubjectKind
from bot.core.untrusted import is_hidden
from bot.dashboard.visible import visible
from tests.dashboard.house import House

PROOF = Proof(
    Strength.WEAK,
    (Claim(ClaimName.FAILS_BEFORE, False, "nothing failed"), Claim(ClaimName.POLICY_KEPT, True, "1 file")),
)
DIFF = """\
diff --git a/calc.py b/calc.py
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@ def add(a, b):
 def add(a, b):
-    return a - b
+    return a + b
"""
# ATTACKS.md 71: a script, a terminal link (OSC 8), a carriage return that overwrites the line, a reordering mark.
ATTACK = "<script>alert(1)</script>\x1b]8;;http://evil\x1b\\click\x1b[2J\rgood\u202egnp"
HARMLESS = "&lt;script&gt;alert(1)&lt;/script&gt;␛]8;;http://evil␛\\click␛[2J␍good&lt;U+202E&gt;gnp"


async def test_an_empty_house_says_how_to_begin(house: House) -> None:
    assert "No runs yet." in await house.page("/runs")


async def test_the_list_names_subject_repository_state_fixer_proof_cost_and_age(house: House) -> None:
    await house.run(state=State.IN_REVIEW, fixer=FixerName.SEARCH, proof=PROOF, cost_usd=0.0123)
    page = await house.page("/runs")
    for word in ("add() is off by one", "acme/calc", "in review", "search", "weak", "$0.0123", "5 min ago", "/runs/r1"):
        assert word in page


async def test_a_run_links_to_its_issue_pull_request_and_branch(house: House) -> None:
    await house.run(state=State.IN_REVIEW, pull_request=9, branch="fettle/issue-7-add")
    page = await house.page("/runs/r1")
    for path in ("issues/7", "pull/9", "tree/fettle/issue-7-add"):
        assert f'href="https://git.example/acme/calc/{path}"' in page


async def test_a_local_run_links_to_nothing(house: House) -> None:
    await house.run(subject=Subject(SubjectKind.LOCAL, 0, "fix it"), repository="/home/me/calc")
    assert "git.example" not in await house.page("/runs/r1")


async def test_a_run_shows_stages_proof_patch_attempts_and_reason(house: House) -> None:
    await house.run(state=State.FAILED, proof=PROOF, ending=Ending.NOT_PROVEN, reason="Nothing was proven.")
    await house.note("stage.started", stage="plan")
    await house.note("stage.finished", stage="plan", seconds=1.5)
    await house.note("stage.started", stage="edit")
    await house.note("fixer.finished", fixer="search", found=True, tried=["12 mutations"], summary="A wrong sign.")
    await house.note("run.diff", diff=DIFF, fixer="search")
    page = await house.page("/runs/r1")
    for word in ("1.50 s", "stopped", "waiting", "target fails before", "nothing failed", "12 mutations"):
        assert word in page
    for word in ("A wrong sign.", "Nothing was proven.", "+    return a + b", "-    return a - b"):
        assert word in page


async def test_a_kind_that_nobody_foresaw_is_shown_with_its_data(house: House) -> None:
    await house.run()
    await house.note("moon.phase", name="full", days=[1, 2])
    page = await house.page("/runs/r1")
    assert "moon.phase" in page
    assert "days: [1, 2]" in page


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("fixer.finished", {"fixer": ATTACK, "found": True, "summary": ATTACK, "tried": [ATTACK]}),
        ("error", {"sentence": ATTACK}),
        (ATTACK, {ATTACK: ATTACK}),
        ("run.diff", {"diff": DIFF.replace("a + b", ATTACK)}),
        ("run.diff", {"diff": ATTACK}),
        ("stage.started", {"stage": ATTACK}),
        ("proof", {"strength": ATTACK, "claims": [{"name": ATTACK, "held": True, "detail": ATTACK}]}),
    ],
)
async def test_hostile_text_in_the_journal_stays_text(house: House, kind: str, data: dict[str, object]) -> None:
    await house.run()
    await house.store.journal.append("r1", kind, data)
    page = await house.page("/runs/r1")
    assert HARMLESS in page
    assert_harmless(page)


async def test_hostile_text_in_a_run_stays_text(house: House) -> None:
    claims = (Claim(ClaimName.POLICY_KEPT, True, ATTACK),)
    await house.run(
        repository=ATTACK,
        subject=Subject(SubjectKind.ISSUE, 7, ATTACK),
        asked_by=ATTACK,
        branch=ATTACK,
        reason=ATTACK,
        proof=Proof(Strength.PROVEN, claims),
    )
    for path in ("/runs", "/runs/r1"):
        page = await house.page(path)
        assert HARMLESS in page
        assert_harmless(page)


def assert_harmless(page: str) -> None:
    assert re.findall(r"<script[^>]*>", page) == re.findall(r'<script src="/static/fettle.js\?\w+" defer>', page)
    assert not [char for char in page if is_hidden(char)]
    assert not re.search(r"<[^>]*\s(on\w+|style)=", page)


@given(st.text())
def test_visible_text_holds_nothing_hidden_and_keeps_the_rest(text: str) -> None:
    shown = visible(text)
    assert not [char for char in shown if is_hidden(char) and char not in "\ufe0e\ufe0f"]
    assert visible(shown) == shown
    if not any(is_hidden(char) for char in text):
        assert shown == text


async def test_the_twin_says_the_same_as_data_without_what_only_workers_need(house: House) -> None:
    await house.run(proof=PROOF)
    await house.note("error", sentence=ATTACK)
    answer = await house.browser.get("/runs/r1.json")
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert body["state"] == "queued"
    assert body["proof"]["strength"] == "weak"
    assert body["journal"][0]["data"] == {"sentence": ATTACK}
    assert not {"lease_owner", "lease_until", "plan", "patch"} & set(body)
    assert "\x1b" not in answer.text


@pytest.mark.parametrize("path", ["/runs/none", "/runs/none.json", "/runs/none/events", "/runs/%00", "/static/x.py"])
async def test_what_is_not_there_is_said_so(house: House, path: str) -> None:
    answer = await house.browser.get(path)
    assert answer.status_code == 404
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_static_files_have_their_types_and_need_nothing_from_elsewhere(house: House) -> None:
    for name, kind in (("fettle.css", "text/css"), ("fettle.js", "text/javascript"), ("fettle.svg", "image/svg+xml")):
        answer = await house.browser.get(f"/static/{name}")
        assert answer.headers["content-type"].startswith(kind)
        assert not re.search(r"innerHTML|insertAdjacent|document\.write|eval\(|@import|url\(", answer.text)


async def test_the_first_page_leads_to_the_runs(house: House) -> None:
    answer = await house.browser.get("/")
    assert answer.headers["location"] == "/runs"
