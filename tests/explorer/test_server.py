"""The server: who may ask, what is served, and what is refused."""

from __future__ import annotations

import json
import socket
import threading
from importlib import resources
from pathlib import Path
from typing import ClassVar

import pytest

from corpora.explorer.explorer import Answer, Explorer, UnknownName, WatchedModel

testclient = pytest.importorskip("starlette.testclient")

from corpora.explorer import server  # noqa: E402
from corpora.explorer.guard import LONGEST_BODY  # noqa: E402

TOKEN = "a-token"
LOCAL = "http://127.0.0.1:1234"


class Numbers(Explorer):
    """Answers questions about a number in a file."""

    kind: ClassVar[str] = "numbers"

    def __init__(self, path: Path) -> None:
        self.asked = 0
        super().__init__([WatchedModel(path, lambda path: int((path / "n").read_text()))])

    def ask_about(self) -> Answer:
        return Answer({"kind": self.kind})

    def ask_plus(self, by: int, factor: float = 1.0, text: str = "") -> Answer:
        self.asked += 1
        if by == 13:
            raise KeyError("13 is not allowed")
        if by == 14:
            raise UnknownName("14 is unknown", ["15"])
        if by == 15:
            raise AssertionError("a bug")
        return Answer({"sum": self.models[0].model + by * factor, "text": text}, "code")


@pytest.fixture
def explorer(tmp_path) -> Numbers:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "n").write_text("1")
    return Numbers(tmp_path / "model")


@pytest.fixture
def client(explorer):
    return testclient.TestClient(server.make_application(explorer, TOKEN), base_url=LOCAL)


def ask(client, question: str, token: str = TOKEN, headers=None, **parameters):
    return client.post(f"/{token}/ask/{question}", json=parameters, headers=headers)


def test_the_page_and_its_files_are_served_with_safe_headers(client):
    for name, kind in (
        ("", "text/html"), ("explorer.js", "text/javascript"), ("explorer.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
    ):  # fmt: skip
        response = client.get(f"/{TOKEN}/{name}")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["content-security-policy"].startswith("default-src 'self';")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in response.headers


def test_the_page_names_no_other_host():
    folder = resources.files("corpora.explorer") / "static"
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        text = text.replace("http://www.w3.org/", "")  # names of XML, which are not requested
        assert "http://" not in text, file.name
        assert "https://" not in text, file.name
        assert "innerHTML" not in text or file.name == "explorer.js"


@pytest.mark.parametrize("token", ["", "b-token", "a-toke", "a-tokenn", "%61-toke", "ä", "static"])
def test_a_wrong_token_is_refused(client, token):
    for path in (f"/{token}/", f"/{token}/explorer.js", f"/{token}/ask/about", "/"):
        response = client.get(path)
        assert response.status_code == 403, path
        assert "printed" in response.text
    assert client.post(f"/{token}/ask/about", json={}).status_code == 403


@pytest.mark.parametrize(
    "host", ["example.com", "127.0.0.1.example.com", "10.0.0.1:1234", "", "localhost@example.com",
             "example.com:80@127.0.0.2", "[", "127.0.0.1 example.com"],
)  # fmt: skip
def test_a_foreign_host_is_refused(client, host):
    response = client.get(f"/{TOKEN}/", headers={"Host": host})
    assert response.status_code == 403
    assert "host" in response.text


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "localhost:8000"])
def test_this_machine_may_be_named_by_a_forwarded_port(client, host):
    assert client.get(f"/{TOKEN}/", headers={"Host": host}).status_code == 200


def test_a_page_of_another_site_may_not_ask(client):
    for origin in ("http://example.com", "null", "https://127.0.0.1", "http://127.0.0.1:1"):
        response = ask(client, "about", headers={"Origin": origin})
        assert response.status_code == 403, origin
    assert ask(client, "about", headers={"Origin": LOCAL}).status_code == 200
    # a form of another site could send text
    sent = client.post(f"/{TOKEN}/ask/about", content="{}", headers={"Content-Type": "text/plain"})
    assert sent.status_code == 415


@pytest.mark.parametrize(
    "name", ["../server.py", "..%2fserver.py", "%2e%2e/server.py", "..", "%2e%2e%2fpyproject.toml",
             "/etc/passwd", "%2fetc%2fpasswd", "static/explorer.js", "explorer.js%00",
             "....//server.py", "..\\server.py"],
)  # fmt: skip
def test_no_other_file_is_served(client, name):
    response = client.get(f"/{TOKEN}/{name}")
    assert response.status_code in (403, 404)
    assert b"def " not in response.content
    assert b"root:" not in response.content


def test_methods_bodies_and_addresses_are_limited(client):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert client.request(method, f"/{TOKEN}/").status_code == 405, method
    assert client.get(f"/{TOKEN}/ask/about").status_code == 405
    assert client.post(f"/{TOKEN}/", json={}).status_code == 405
    assert ask(client, "plus", by=1, text="x" * LONGEST_BODY).status_code == 413

    def parts():
        for _ in range(4):
            yield b" " * (LONGEST_BODY // 3)

    headers = {"Content-Type": "application/json"}
    sent = client.post(f"/{TOKEN}/ask/about", content=parts(), headers=headers)
    assert sent.status_code == 413
    assert client.get(f"/{TOKEN}/?{'x' * 4000}").status_code == 414


def test_questions_are_answered(client, explorer):
    reply = ask(client, "plus", by=2, factor=3).json()
    assert reply["answer"] == {"sum": 7, "text": ""}
    assert reply["code"] == "code"
    assert reply["state"] == {"version": 1, "problem": None}
    assert ask(client, "plus", by=2, factor=3).json()["answer"] == reply["answer"]
    assert explorer.asked == 1  # the second answer was kept


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", "[" * 50_000])
def test_a_question_that_is_no_object_is_refused(client, content):
    headers = {"Content-Type": "application/json"}
    response = client.post(f"/{TOKEN}/ask/plus", content=content, headers=headers)
    assert response.status_code == 400
    assert "JSON object" in response.json()["error"]


def test_wrong_parameters_are_named(client):
    for parameters, message in (
        ({}, "takes the parameters by, factor, text: missing a required argument: 'by'"),
        ({"by": 1, "self": 2}, "takes the parameters"),
        ({"by": "1"}, "by must be of type int, got '1'"),
        ({"by": True}, "by must be of type int, got True"),
        ({"by": 1, "text": None}, "text must be of type str, got None"),
        ({"by": 1, "text": "x" * 30_000}, "text must have at most 20,000 characters, got 30,000"),
        ({"by": 13}, "13 is not allowed"),
    ):
        response = ask(client, "plus", **parameters)
        assert response.status_code == 422
        assert message in response.json()["error"]


def test_unknown_names_come_with_suggestions(client):
    response = ask(client, "plus", by=14)
    assert response.status_code == 404
    assert response.json() == {"error": "14 is unknown", "suggestions": ["15"]}
    response = ask(client, "pluss", by=1)
    assert response.status_code == 404
    assert response.json()["suggestions"] == ["plus"]
    assert ask(client, "_lock").status_code == 404


def test_a_bug_is_shown_in_the_terminal_only(client, capsys):
    response = ask(client, "plus", by=15)
    assert response.status_code == 500
    assert "a bug" not in response.text
    assert "AssertionError: a bug" in capsys.readouterr().err


def test_a_changed_model_is_loaded_again(client, explorer):
    assert ask(client, "plus", by=1).json()["answer"]["sum"] == 2
    folder = explorer.models[0].path
    (folder / "n").write_text("100")
    reply = ask(client, "plus", by=1).json()
    assert (reply["answer"]["sum"], reply["state"]["version"]) == (101, 2)
    (folder / "n").write_text("damaged")
    reply = ask(client, "plus", by=1).json()
    assert reply["answer"]["sum"] == 101
    assert reply["state"]["version"] == 2
    assert "has changed and cannot be loaded" in reply["state"]["problem"]
    (folder / "n").unlink()
    folder.rmdir()
    assert "cannot be loaded" in ask(client, "about").json()["state"]["problem"]
    folder.mkdir()
    (folder / "n").write_text("5")
    reply = ask(client, "plus", by=1).json()
    assert (reply["answer"]["sum"], reply["state"]["problem"]) == (6, None)


def test_a_port_in_use_is_reported(explorer):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} is used by another program"):
            server.serve(explorer, port=port, browser=False, report=lambda text: None)


def test_a_missing_package_is_named(explorer, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"pip install similarity-encoders\[explore\]"):
        server.serve(explorer)


def test_the_server_listens_on_this_machine_only(explorer, monkeypatch):
    import uvicorn

    reported = []
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(server.sys, "platform", "linux")
    monkeypatch.setattr(
        uvicorn.Server, "run", lambda self, sockets: reported.append(sockets[0].getsockname())
    )
    server.serve(explorer, report=reported.append)
    address, no_browser, name = reported
    assert address.startswith(f"http://127.0.0.1:{name[1]}/")
    assert len(address.split("/")[3]) >= 32
    assert "no browser was found" in no_browser
    assert name[0] == "127.0.0.1"


def test_questions_of_several_threads_are_answered_one_at_a_time(explorer):
    sums: list[float] = []
    threads = [
        threading.Thread(
            target=lambda by=by: sums.append(explorer.ask("plus", {"by": by})["answer"]["sum"])
        )
        for by in range(8)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sums) == list(range(1, 9))


def test_answers_are_valid_json_whatever_the_words(client):
    for text in ("\ud800", "\u2028</script>", "\x00"):
        response = client.post(
            f"/{TOKEN}/ask/plus", content=json.dumps({"by": 1, "text": text}),
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        assert response.json()["answer"]["text"] == text
