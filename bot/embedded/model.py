"""A model that says what it was told to say: an OpenAI-compatible server on loopback, so that litellm's real path runs.

The tests' `model` fixture and the demo use it, and `python -m bot.embedded.model --script FILE.json --port P` serves it
from a shell. Answers are a queue; when the queue is empty a function of the messages answers, by default with `submit`,
so that a story names only what matters. It also misbehaves as real servers do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeAlias, assert_never

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

NAME = "openai/scripted"
"""The name by which litellm reaches the server, given its address as `OPENAI_BASE_URL`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; `arguments` is sent as it is, well formed or not."""

    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Say:
    """An ordinary answer: text, tool calls, both or neither. Token counts are estimated when None."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    tokens_in: int | None = None
    tokens_out: int | None = None
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Fail:
    """An error answer with an HTTP status, and seconds for `Retry-After` when given."""

    status: int
    retry_after: float | None = None
    message: str = "scripted failure"
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer for that many seconds, then a dropped connection."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drop:
    """A connection that ends in the middle of the answer."""


Answer: TypeAlias = Say | Fail | Hang | Drop
Answers: TypeAlias = Callable[[list[dict[str, Any]]], Answer]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that the server got: the parsed body and the headers (names in lower case)."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation that was sent."""
        return list(self.body.get("messages", ()))

    @property
    def text(self) -> str:
        """All that the model was shown, as one text."""
        return "\n".join(str(message.get("content") or "") for message in self.messages)

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools that were offered."""
        return tuple(tool["function"]["name"] for tool in self.body.get("tools") or ())


class ScriptedModel:
    """The server and its script. `requests` holds what was asked, in order; an async context manager."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self._queue: deque[Answer] = deque()
        self._otherwise: Answers = lambda _: _called("submit", summary="Done.")
        self._ids = count(1)
        self._closing = asyncio.Event()
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.port = 0

    # -- the script

    def will(self, *answers: Answer) -> None:
        """Queue answers."""
        self._queue.extend(answers)

    def will_call(self, tool: str, **arguments: object) -> None:
        """Queue one tool call."""
        self.will(_called(tool, **arguments))

    def will_call_raw(self, tool: str, arguments: str) -> None:
        """Queue one tool call with that text as its arguments: malformed JSON, for instance."""
        self.will(Say(calls=(Call(tool, arguments),)))

    def will_write(self, path: str, content: str) -> None:
        """Queue writing a whole file."""
        self.will_call("write", path=path, content=content)

    def will_edit(self, path: str, old: str, new: str) -> None:
        """Queue an exact replacement."""
        self.will_call("edit", path=path, old=old, new=new)

    def will_run(self, command: str) -> None:
        """Queue a shell command."""
        self.will_call("run", command=command)

    def will_submit(self, summary: str = "Done.") -> None:
        """Queue the end of the work."""
        self.will_call("submit", summary=summary)

    def will_say(self, text: str = "") -> None:
        """Queue an answer without a tool call; without text it is an empty message."""
        self.will(Say(text))

    def will_fail(self, status: int, times: int = 1, retry_after: float | None = None) -> None:
        """Queue `times` error answers."""
        self.will(*[Fail(status, retry_after)] * times)

    def will_hang(self, seconds: float = 60.0) -> None:
        """Queue a silence."""
        self.will(Hang(seconds))

    def will_drop(self) -> None:
        """Queue a broken connection."""
        self.will(Drop())

    def otherwise(self, answers: Answers) -> None:
        """Answer by this function of the messages whenever the queue is empty."""
        self._otherwise = answers

    # -- the server

    @property
    def url(self) -> str:
        """The API's address, for `OPENAI_BASE_URL`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def environment(self) -> dict[str, str]:
        """The variables with which Fettle uses this server."""
        return {"FETTLE_MODEL": NAME, "OPENAI_API_KEY": "scripted", "OPENAI_BASE_URL": self.url}

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 takes a free one."""
        listener = socket.create_server(("127.0.0.1", port))
        self.port = listener.getsockname()[1]
        routes = [
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
            Route("/v1/models", self._models),
        ]
        config = uvicorn.Config(Starlette(routes=routes), log_config=None, log_level="critical", lifespan="off")
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))  # the socket listens already

    async def stop(self) -> None:
        """Stop listening and let go of hanging requests; safe to call twice."""
        self._closing.set()
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving

    async def wait(self) -> None:
        """Serve until the task is cancelled or the process is interrupted."""
        if self._serving is not None:
            await self._serving

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "fettle"}]})

    async def _complete(self, request: Request) -> Response:
        try:
            asked = Asked(await request.json(), dict(request.headers))
        except ValueError:
            return _error(Fail(400, message="the body is not JSON"))
        self.requests.append(asked)
        answer = self._queue.popleft() if self._queue else self._otherwise(asked.messages)
        match answer:
            case Say():
                return JSONResponse(_body(answer, asked, next(self._ids)))
            case Fail():
                return _error(answer)
            case Hang(seconds):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), seconds)
                return _dropped()
            case Drop():
                return _dropped()
            case _:
                assert_never(answer)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The process that embeds the server owns its signals.
        yield


def parse_script(data: object) -> list[Answer]:
    """Read a script of JSON; raises ValueError with a sentence for another shape.

    A list of objects, each one answer: `{"call": TOOL, "arguments": {...} or TEXT}`, `{"say": TEXT}`,
    `{"fail": STATUS, "times": N, "retry_after": SECONDS}`, `{"hang": SECONDS}` or `{"drop": true}`.
    """
    if not isinstance(data, list):
        raise ValueError("A script is a JSON list of answers.")
    return [answer for item in data for answer in _parsed(item)]


def _parsed(item: object) -> Sequence[Answer]:
    match item:
        case {"call": str(tool), "arguments": str(text)}:
            return [Say(calls=(Call(tool, text),))]
        case {"call": str(tool), "arguments": dict(arguments)}:
            return [_called(tool, **arguments)]
        case {"say": str(text)}:
            return [Say(text)]
        case {"fail": int(status), "retry_after": int() | float() as seconds, **more}:
            return [Fail(status, float(seconds))] * _times(more)
        case {"fail": int(status), **more}:
            return [Fail(status)] * _times(more)
        case {"hang": int() | float() as seconds}:
            return [Hang(float(seconds))]
        case {"drop": True}:
            return [Drop()]
        case _:
            raise ValueError(f"The script has an answer that is not understood: {json.dumps(item)[:200]}")


def _times(item: Mapping[Any, object]) -> int:
    times = item.get("times", 1)
    if not isinstance(times, int):
        raise ValueError("`times` is a whole number.")
    return times


def _called(tool: str, **arguments: object) -> Say:
    return Say(calls=(Call(tool, json.dumps(arguments)),))


def _body(say: Say, asked: Asked, number: int) -> dict[str, Any]:
    calls = [
        {"id": f"call_{number}_{i}", "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}
        for i, call in enumerate(say.calls)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": say.text or None}
    if calls:
        message["tool_calls"] = calls
    tokens_in = len(json.dumps(asked.body)) // 4 if say.tokens_in is None else say.tokens_in
    tokens_out = len(json.dumps(message)) // 4 if say.tokens_out is None else say.tokens_out
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": asked.body.get("model", "scripted"),
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
            "prompt_tokens_details": {"cached_tokens": say.cached},
        },
    }


def _error(fail: Fail) -> Response:
    headers = {} if fail.retry_after is None else {"retry-after": f"{fail.retry_after:g}"}
    error = {"message": fail.message, "type": "scripted", "param": None, "code": fail.code}
    return JSONResponse({"error": error}, fail.status, headers)


def _dropped() -> Response:
    async def half() -> AsyncIterator[bytes]:
        yield b'{"id": "chatcmpl-'
        raise ConnectionAbortedError("a scripted drop")  # uvicorn closes the connection

    return StreamingResponse(half(), headers={"content-length": "1000"}, media_type="application/json")


async def _serve(answers: Sequence[Answer], port: int) -> None:
    model = ScriptedModel()
    model.will(*answers)
    await model.start(port)
    print("\n".join(f"{name}={value}" for name, value in model.environment().items()), flush=True)  # noqa: T201 for a shell
    await model.wait()


def main() -> None:
    """Serve a script from a shell and print the variables that point Fettle at it."""
    parser = argparse.ArgumentParser(prog="python -m bot.embedded.model", description="A scripted model server.")
    parser.add_argument("--script", type=Path, required=True, help="a JSON list of answers")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parse_script(json.loads(arguments.script.read_text())), arguments.port))


if __name__ == "__main__":
    main()
