"""Only a browser on this machine sees the pages."""

from __future__ import annotations

import pytest

from bot.dashboard.local import REFUSAL
from tests.dashboard.house import House

PATHS = ("/", "/runs", "/runs/r1", "/runs/r1.json", "/runs/r1/events", "/static/fettle.css")


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
async def test_loopback_by_a_loopback_name_is_let_in(house: House, client: str, host: str) -> None:
    async with house.elsewhere(client, host) as browser:
        assert (await browser.get("/runs")).status_code == 200


@pytest.mark.parametrize(
    "client", ["10.0.0.8", "192.0.2.1", "172.17.0.1", "::ffff:10.0.0.8", "fe80::1", "", "testclient"]
)
async def test_other_machines_are_refused_in_one_sentence(house: House, client: str) -> None:
    async with house.elsewhere(client=client) as browser:
        for path in PATHS:
            answer = await browser.get(path)
            assert (answer.status_code, answer.text) == (403, REFUSAL)
            assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "",
        "evil.example/localhost",
        "0.0.0.0:8000",
        "[::1",
        "localhost:evil",
        "2130706433",
        "10.0.0.8",
    ],
)
async def test_a_stranger_name_that_points_here_is_refused(house: House, host: str) -> None:
    async with house.elsewhere(host=host) as browser:
        assert (await browser.get("/runs")).status_code == 403


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"])
async def test_a_proxy_that_names_itself_is_refused(house: House, header: str) -> None:
    assert (await house.browser.get("/runs", headers={header: "127.0.0.1"})).status_code == 403
