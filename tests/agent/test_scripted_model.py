"""The scripted model from a shell: a JSON script in, the API out, and the variables that point Fettle at it."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest

from bot.embedded.model import Call, Drop, Fail, Hang, Say, parse_script


def test_a_script_is_a_list_of_answers() -> None:
    script = [
        {"call": "read", "arguments": {"path": "x"}},
        {"call": "read", "arguments": "{"},
        {"say": "hm"},
        {"fail": 429, "times": 2, "retry_after": 1},
        {"fail": 500},
        {"hang": 2},
        {"drop": True},
    ]

    assert parse_script(script) == [
        Say(calls=(Call("read", '{"path": "x"}'),)),
        Say(calls=(Call("read", "{"),)),
        Say("hm"),
        *[Fail(429, 1.0)] * 2,
        Fail(500),
        Hang(2.0),
        Drop(),
    ]


@pytest.mark.parametrize("script", [{}, [{"sing": 1}], [3], [{"fail": 500, "times": "x"}]])
def test_another_shape_is_a_sentence(script: object) -> None:
    with pytest.raises(ValueError, match=r"script|whole number"):
        parse_script(script)


async def test_it_serves_from_a_shell(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"say": "hello"}]))
    argv = ["-m", "bot.embedded.model", "--script", str(script)]
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        lines = [(await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip() for _ in range(3)]
        variables = dict(line.split("=", 1) for line in lines)
        assert variables["FETTLE_MODEL"] == "openai/scripted"
        async with httpx.AsyncClient(base_url=variables["OPENAI_BASE_URL"]) as client:
            models = (await client.get("/models")).json()
            answer = (await client.post("/chat/completions", json={"messages": []})).json()
            wrong = await client.post("/chat/completions", content=b"{")
    finally:
        process.terminate()
        await process.wait()

    assert models["data"][0]["id"] == "scripted"
    assert answer["choices"][0]["message"]["content"] == "hello"
    assert wrong.status_code == 400
