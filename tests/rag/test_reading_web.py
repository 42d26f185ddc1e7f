"""Web pages are read, and the reader cannot be turned on the network it runs in, nor be held up or filled."""

import gzip
import logging
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lab.errors import BakeoffError
from lab.settings import settings
from rag.reading import Origin, Unreadable, excerpt, read, web
from tests.rag.documents import HTML, write_docx, write_pdf

Answer = tuple[int, dict[str, str], bytes]
PAGE: Answer = (200, {"Content-Type": "text/html; charset=utf-8"}, HTML.encode())


def redirect(to: str) -> Answer:
    return 302, {"Location": to}, b""


class Site(ThreadingHTTPServer):
    """Answers each path as it is told; keeps the headers it was asked with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server_port}"
        self.address = f"http://{self.host}"
        self.answers: dict[str, Answer] = {"/": PAGE}
        self.asked: list[dict[str, str]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what is tested."""


class Handler(BaseHTTPRequestHandler):
    """One request to the Site."""

    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        if self.path == "/drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.1)
            return
        status, headers, body = self.server.answers[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        for start in range(0, len(body), 100_000):
            self.wfile.write(body[start : start + 100_000])
            if self.path == "/slow":
                time.sleep(0.2)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server on this machine."""
    server = Site()
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def allowed(site: Site, setting: Callable[[str, str], None]) -> Site:
    """The same, on a host and port that the settings allow."""
    setting("BAKEOFF_ALLOWED_HOSTS", f"intranet.example, {site.host}")
    return site


def reason(address: str) -> str:
    """Return why an address cannot be read."""
    with pytest.raises(Unreadable) as error:
        read(Origin(address, ""))
    return str(error.value)


def test_a_page_is_read_as_its_headings_and_text_by_an_honest_agent(allowed: Site) -> None:
    found = read(Origin(f"{allowed.address}/", ""))
    assert [passage.place for passage in found.passages][:2] == ["Tea", "Tea > Brewing"]
    assert found.passages[0].source == f"{allowed.address}/"
    assert "steal" not in found.text and allowed.asked[0]["User-Agent"].startswith("bakeoff/")
    passage = found.passages[-1]
    assert excerpt(passage.source, passage.span, cited=passage.text)[1] == passage.text


def test_the_content_type_tells_what_is_read(allowed: Site, tmp_path: Path) -> None:
    write_pdf(tmp_path / "a.pdf")
    write_docx(tmp_path / "a.docx")
    office = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    text = "# Tea\n\nA cup.\n"
    allowed.answers |= {
        "/pdf": (200, {"Content-Type": "application/pdf"}, (tmp_path / "a.pdf").read_bytes()),
        "/docx": (200, {"Content-Type": office}, (tmp_path / "a.docx").read_bytes()),
        "/raw/tea.md": (200, {"Content-Type": "text/plain; charset=utf-8"}, text.encode()),
        "/plain.exe": (200, {"Content-Type": "text/plain"}, text.encode()),
        "/latin": (200, {"Content-Type": "text/html; charset=iso-8859-1"}, "<p>Café</p>".encode("latin-1")),
        "/meta": (200, {"Content-Type": "text/html"}, "<meta charset=latin-1><p>Café</p>".encode("latin-1")),
        "/rows": (200, {"Content-Type": "text/csv"}, b"name,age\nAda,36\n"),
    }
    found = {path: read(Origin(allowed.address + path, "")) for path in allowed.answers if path != "/"}
    assert [reading.passages[0].place for reading in found.values()] == [
        "page 1", "Leave", "Tea", "lines 1-3", "", "", "row 2",
    ]  # fmt: skip
    assert (found["/latin"].text, found["/meta"].text) == ("Café", "Café")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0x7f000001", "2130706433", "0.0.0.0", "0", "localhost", "LOCALHOST",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "[fe80::1]", "[fec0::1]", "[fd00:ec2::254]", "169.254.169.254", "[::ffff:169.254.169.254]",
        "metadata.google.internal", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "kubernetes.default.svc.cluster.local",
    ],
)  # fmt: skip
def test_no_address_of_this_network_is_asked(host: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGCHAIN_ENV", "local")  # which opens langchain-core's transport to localhost
    assert reason(f"http://{host}:{site.server_port}/").startswith("refused: ")
    assert not site.asked


@pytest.mark.parametrize("host", ["0177.0.0.1", "localhost.", "①②⑦.⓪.⓪.①", "127.0.0.1%00.example.org", "a b", "-"])
def test_other_ways_to_write_this_machine_lead_nowhere(host: str, site: Site) -> None:
    assert reason(f"http://{host}:{site.server_port}/").startswith(("refused: ", "no such host", "no web address"))
    assert not site.asked


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:70/", "http://"])
def test_an_origin_with_another_scheme_is_not_read(address: str) -> None:
    assert reason(address).startswith("not ")


@pytest.mark.parametrize(
    "to",
    ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:{other}/", "//localhost:{other}/", "file:///etc/passwd",
     "http://ann:very-secret@127.0.0.1:{port}/", "gopher://127.0.0.1:70/", "http://[::ffff:127.0.0.1]:{other}/"],
)  # fmt: skip
def test_a_redirect_is_checked_like_the_first_address(to: str, allowed: Site) -> None:
    other = Site()
    allowed.answers["/away"] = redirect(to.format(other=other.server_port, port=allowed.server_port))
    told = reason(f"{allowed.address}/away")
    other.server_close()
    assert told.startswith(("refused: ", "no connection")) and "very-secret" not in told
    assert len(allowed.asked) == 1 and not other.asked


@pytest.mark.parametrize("found", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("first", [[], ["93.184.215.14"]], ids=["alone", "behind a public one"])
def test_a_name_that_leads_into_this_network_is_refused(
    found: str, first: list[str], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(families[":" in ip], socket.SOCK_STREAM, 6, "", (ip, port)) for ip in [*first, found]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert reason(f"http://rebound.example:{site.server_port}/").startswith("refused: ")
    assert not site.asked


def test_a_name_that_is_resolved_again_is_connected_where_it_was_checked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        asked.append(host)
        ip = "192.0.2.1" if host == "192.0.2.1" else "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))]

    def connect(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        assert address[0] == "93.184.215.14"
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert reason(f"http://rebinding.example:{site.server_port}/") == "no connection (ConnectError)"
    assert not site.asked


def test_an_allowed_host_and_port_allows_no_other(allowed: Site, setting: Callable[[str, str], None]) -> None:
    other = Site()
    assert reason(f"{other.address}/").startswith("refused: private IP range; to allow it, name its host in BAKEOFF_")
    other.server_close()
    setting("BAKEOFF_ALLOWED_HOSTS", "127.0.0.1")
    assert read(Origin(f"{allowed.address}/", "")).passages


@pytest.mark.parametrize("value", ["http://127.0.0.1", "*", "ann@host"])
def test_allowed_hosts_that_are_none_are_one_line(value: str, setting: Callable[[str, str], None]) -> None:
    setting("BAKEOFF_ALLOWED_HOSTS", value)
    with pytest.raises(BakeoffError, match=r"'allowed_hosts'.*is no host"):
        settings()


def test_allowed_hosts_can_stand_in_the_settings_file() -> None:
    Path("bakeoff.yaml").write_text("allowed_hosts: [Intranet.example, '127.0.0.1:8000']")
    assert settings().allowed_hosts == ("intranet.example", "127.0.0.1:8000")


def test_faults_of_a_server_are_told_apart(allowed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "LARGEST_PAGE_MB", 1)
    html = {"Content-Type": "text/html"}
    packed = {**html, "Content-Encoding": "gzip"}
    faults: dict[str, tuple[Answer, str]] = {
        "/404": ((404, html, b"no"), "HTTP 404"),
        "/circle": (redirect("/circle"), "redirected more than 5 times"),
        "/huge": ((200, html, b"x" * 3_000_000), "larger than 1 MB"),
        "/bomb": ((200, packed, gzip.compress(bytes(50_000_000))), "larger than 1 MB"),
        "/nested": ((200, {**html, "Content-Encoding": "gzip, gzip"}, b""), "packed in a way that was not asked for"),
        "/br": ((200, {**html, "Content-Encoding": "br"}, b"x"), "packed in a way that was not asked for"),
        "/broken": ((200, packed, b"no gzip"), "its compression is broken"),
        "/picture": ((200, {"Content-Type": "image/png"}, b"png"), "no reader for the content type 'image/png'"),
        "/none": ((200, {}, b"tea"), "no reader for the content type ''"),
        "/binary": ((200, html, b"<p>" + bytes(9)), "binary, not HTML: a NUL at 3"),
        "/nopdf": ((200, {"Content-Type": "application/pdf"}, b"<p>"), "not a PDF, whatever its name says"),
        "/empty": ((200, html, b""), "nothing to read in it"),
        "/cut": ((200, {**html, "Content-Length": "99"}, b"tea"), "no connection (RemoteProtocolError)"),
    }
    allowed.answers |= {path: answer for path, (answer, _) in faults.items()}
    assert {path: reason(allowed.address + path) for path in faults} == {
        path: told for path, (_, told) in faults.items()
    }


@pytest.mark.parametrize("path", ["/slow", "/drip"])
def test_a_server_that_drips_is_left_in_time(path: str, allowed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "LONGEST_SECONDS", 0.5)
    allowed.answers["/slow"] = (200, {"Content-Type": "text/html"}, b"x" * 3_000_000)
    start = time.monotonic()
    assert reason(allowed.address + path) == "takes longer than 0.5 s to load"
    assert time.monotonic() - start < 1


def test_a_server_that_says_nothing_is_left_in_time(allowed: Site, setting: Callable[[str, str], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        setting("BAKEOFF_ALLOWED_HOSTS", host)
        setting("BAKEOFF_TIMEOUT_SECONDS", "0.3")
        assert reason(f"http://{host}/") == "no answer in time"


def test_proxies_and_passwords_of_the_environment_are_not_used(
    allowed: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password very-secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert read(Origin(f"{allowed.address}/", "")).passages
    assert "Authorization" not in allowed.asked[0]


def test_a_password_in_an_address_is_neither_sent_nor_told(allowed: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        told = reason(f"http://ann:very-secret@{allowed.host}/")
    assert not allowed.asked and "very-secret" not in told + caplog.text
