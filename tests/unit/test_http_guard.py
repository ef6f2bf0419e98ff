import httpx
import pytest
from starlette.responses import Response

from sidecar.http.guard import LocalOnly, Unstored


async def ask(own: str, host: str | None, *origins: str) -> httpx.Response:
    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        scope = scope | {"server": (own, 4040)}
        if host is None:
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"host"]
        await Unstored(LocalOnly(Response("in")))(scope, receive, send)

    headers = [("Host", host or "x"), *(("Origin", origin) for origin in origins)]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return await client.get("/", headers=headers)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:4040", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1:4040", 200),
        ("127.255.1.2", 200),
        ("[::1]:4040", 200),
        ("[::1]", 200),
        ("[::ffff:127.0.0.1]", 200),
        (None, 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil.example:4040", 421),
        ("10.0.0.7:4040", 421),
        ("[::2]:4040", 421),
        ("127.0.0.1.nip.io", 421),
        ("evil.example@localhost", 421),
        ("localhost/evil.example", 421),
        ("evil.example#@localhost", 421),
        ("localhost:port", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
async def test_only_a_local_host_is_answered(host: str | None, status: int) -> None:
    if host == "":
        answer = await ask("127.0.0.1", " ")
    else:
        answer = await ask("127.0.0.1", host)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("origins", "status"),
    [
        ((), 200),
        (("http://localhost:3000",), 200),
        (("https://127.0.0.1",), 200),
        (("http://[::1]:8080",), 200),
        (("null",), 403),
        (("",), 403),
        (("https://evil.example",), 403),
        (("http://localhost.evil.example",), 403),
        (("http://[",), 403),
        (("http://localhost", "https://evil.example"), 403),
    ],
)
async def test_a_foreign_origin_is_refused(origins: tuple[str, ...], status: int) -> None:
    assert (await ask("127.0.0.1", "localhost", *origins)).status_code == status


async def test_an_address_that_was_given_to_listen_on_is_local() -> None:
    assert (await ask("10.0.0.7", "10.0.0.7:4040")).status_code == 200
    assert (await ask("10.0.0.7", "10.0.0.8:4040")).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
async def test_every_answer_is_dated_and_not_to_be_stored(host: str) -> None:
    answer = await ask("127.0.0.1", host)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Date"].endswith(" GMT")
