"""Who gets in, over a real socket: tokens, hosts, origins, sizes, paths, and what browsers are told."""

import socket

import httpx
import pytest

from tests.explorer.test_pictures import bomb, encoded
from tests.explorer.worlds import World, explorer_of, served
from xmr.explorer.pictures import UPLOAD_BYTES
from xmr.explorer.safety import BODY_BYTES

SEARCH = {"query": {"text": "red"}, "columns": [{"source": "colours", "index": "exact"}]}
PRIVATE = [
    "/",
    "/api/sources",
    "/api/docs",
    "/api/openapi.json",
    "/api/picture?source=colours&id=p/0%26x%3D1",
    "/api/uploads/0123456789abcdef",
    "/api/map?source=colours",
    "/nothing",
]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with served(explorer_of(World(tmp_path_factory.mktemp("worlds")))) as running:
        yield running


def raw(running, request, *headers, signed=True):
    """The bytes that answer a request which httpx would tidy first."""
    lines = [
        f"{request} HTTP/1.1",
        f"Host: 127.0.0.1:{running.access.port}",
        *([f"Authorization: Bearer {running.access.token}"] if signed else []),
        "Connection: close",
        *headers,
    ]
    with socket.create_connection(("127.0.0.1", running.access.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def kind(response):
    return response.json()["error"]["kind"]


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Cookie": "xmr_explorer_1=x"},
        {"Authorization": "Basic x"},
    ],
)
def test_without_the_token_there_is_nothing(running, path, headers):
    with running.stranger(**headers) as stranger:
        response = stranger.get(path)
    assert response.status_code == 401
    if path.startswith("/api/"):
        assert kind(response) == "unauthorized"
    else:
        assert "terminal printed" in response.text


def test_health_and_the_pages_own_files_need_no_token(running):
    with running.stranger() as stranger:
        assert stranger.get("/api/health").json()["status"] == "ok"
        assert stranger.get("/assets/docs.js").status_code == 200


def test_the_token_of_the_address_becomes_a_cookie_that_scripts_can_not_read(running):
    with running.stranger() as browser:
        response = browser.get(f"/?token={running.access.token}")
        assert (response.status_code, response.headers["location"]) == (303, "/")
        cookie = response.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert browser.get("/").status_code == 200
        assert browser.get("/api/sources").status_code == 200
    with running.stranger() as stranger:
        assert stranger.get("/?token=wrong").status_code == 401
        assert "set-cookie" not in stranger.get("/?token=wrong").headers
        assert stranger.get(f"/api/sources?token={running.access.token}").status_code == 401


@pytest.mark.parametrize("foreign", ['a={"b": 1}', "a b=c", "a", "=", 'a="', "ä=1"])
def test_cookies_of_other_servers_do_not_lock_out(running, foreign):
    own = f"{running.access.cookie}={running.access.token}"
    for cookies in (f"{foreign}; {own}", f"{own}; {foreign}"):
        answer = raw(running, "GET /api/sources", f"Cookie: {cookies}", signed=False)
        assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_another_host_is_refused_even_with_the_token(running, host):
    with running.client(Host=host.format(port=running.access.port)) as client:
        for path in ("/", "/api/health", "/api/sources", "/assets/docs.js"):
            assert client.get(path).status_code in (400, 403)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"]
)
def test_another_origin_is_refused_even_with_the_token(running, origin):
    with running.client(Origin=origin.format(port=running.access.port)) as client:
        assert kind(client.post("/api/search", json=SEARCH)) == "forbidden"
        assert client.get("/api/sources").status_code == 403


def test_with_the_cookie_a_change_must_come_from_this_origin(running):
    cookie = {"Cookie": f"{running.access.cookie}={running.access.token}"}
    with running.stranger(**cookie) as page:
        assert kind(page.post("/api/search", json=SEARCH)) == "forbidden"
        own = {"Origin": running.base}
        assert page.post("/api/search", json=SEARCH, headers=own).status_code == 200
        for site in ("cross-site", "same-site"):
            assert (
                page.post("/api/search", json=SEARCH, headers={**own, "Sec-Fetch-Site": site}).status_code
                == 403
            )
            assert page.get("/api/sources", headers={"Sec-Fetch-Site": site}).status_code == 403
        assert page.get("/api/sources", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_every_answer_tells_the_browser_to_load_nothing_else(running):
    paths = ["/", "/api/health", "/api/sources", "/assets/docs.js", "/nothing", "/api/docs"]
    with running.client() as client, running.stranger() as stranger:
        responses = [who.get(path) for who in (client, stranger) for path in paths]
    for response in responses:
        policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in response.headers
        assert "server" not in response.headers


def test_a_large_upload_is_refused_by_what_it_says_and_by_what_comes(running):
    said = raw(running, "POST /api/uploads", f"Content-Length: {UPLOAD_BYTES + 1}")
    assert said.startswith(b"HTTP/1.1 413")

    sent = 0

    def endless():
        nonlocal sent
        while sent < 10 * UPLOAD_BYTES:
            sent += 2**16
            yield bytes(2**16)

    with running.client() as client:
        try:
            response = client.post("/api/uploads", content=endless())
            assert (response.status_code, kind(response)) == (413, "too_large")
        except (httpx.WriteError, httpx.ReadError):
            pass  # the server has closed the connection while we were still sending
    assert sent < 2 * UPLOAD_BYTES
    with running.client() as client:
        whole = client.post("/api/search", content=bytes(BODY_BYTES + 1))
        assert (whole.status_code, kind(whole)) == (413, "too_large")
        chunked = client.post("/api/search", content=iter([bytes(2**20)] * 3))
        assert (chunked.status_code, kind(chunked)) == (413, "too_large")


@pytest.mark.parametrize(
    ("data", "status", "name"),
    [
        (bomb(50_000, 50_000), 413, "too_large"),
        (bomb(2**31 - 1, 2**31 - 1), 413, "too_large"),
        (b"<svg onload=alert(1)>", 415, "not_a_picture"),
        (b"", 415, "not_a_picture"),
    ],
)
def test_what_is_no_picture_of_bearable_size_is_refused(running, data, status, name):
    with running.client() as client:
        response = client.post("/api/uploads", content=data)
    assert (response.status_code, kind(response)) == (status, name)


def test_a_picture_leaves_the_server_encoded_anew(running):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("comment", "<script>alert(1)</script>")
    with running.client() as client:
        upload = client.post("/api/uploads", content=encoded(Image.new("RGB", (40, 30)), pnginfo=note)).json()
        picture = client.get(f"{upload['picture']}?size=96")
    assert picture.headers["content-type"] == "image/webp"
    assert b"script" not in picture.content


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../app.py",
        "/assets/..%2fapp.py",
        "/assets/%2e%2e/app.py",
        "/assets//etc/passwd",
        "/assets/%2fetc%2fpasswd",
        "/assets/..\\app.py",
        "/assets/index.html%00.js",
        "/api/picture?source=colours&id=../../../../etc/passwd",
        "/api/picture?source=colours&id=%2fetc%2fpasswd",
        "/api/picture?source=colours&id=0/red",
        "/api/uploads/..%2f..%2fetc%2fpasswd",
        "/api/entry?source=colours&modality=image&id=/etc/passwd",
        "/api/map/points?source=../colours&method=pca",
    ],
)
def test_no_path_or_id_of_a_request_names_a_file(running, path):
    answer = raw(running, f"GET {path}")
    status = int(answer.split()[1])
    assert status == 404
    assert b"root:" not in answer
    assert b"import" not in answer


def test_texts_come_as_json_and_never_as_a_page(tmp_path):
    from xmr.core.types import Modality

    world = World(tmp_path)
    load = world.load

    def hostile():
        content = load()
        content.rows[Modality.IMAGE].texts[:] = "</script><img src=x onerror=alert(1)>"
        return content

    world.load = hostile
    with served(explorer_of(world)) as running, running.client() as client:
        response = client.post("/api/search", json=SEARCH)
    assert response.headers["content-type"] == "application/json"
    assert response.json()["columns"][0]["results"][0]["text"].startswith("</script>")


def test_only_this_machine_is_listened_to(running):
    assert running.socket.getsockname()[0] == "127.0.0.1"
