"""A small hub on 127.0.0.1: what huggingface_hub asks it to list and fetch models and data sets."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Hub:
    """Models by id, data sets by `datasets/id`, each with a folder per commit and names for its commits.

    Attributes:
        url: for HF_ENDPOINT.
        fetched: `id/commit/file` of each file that was downloaded, in order.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.fetched: list[str] = []
        self._commits: dict[str, dict[str, Path]] = {}
        self._names: dict[str, dict[str, str]] = {}

    def push(self, repo: str, folder: Path, *names: str) -> str:
        """Add a folder as a commit, under `main` or the names given, and return the commit."""
        commits = self._commits.setdefault(repo, {})
        commit = hashlib.sha1(f"{repo} {len(commits)}".encode()).hexdigest()
        commits[commit] = folder
        self._names.setdefault(repo, {}).update(dict.fromkeys(names or ("main",), commit))
        return commit

    def at(self, repo: str, name: str) -> tuple[Path, str]:
        """Return the folder and the commit that a branch or tag stands for."""
        commit = self._names[repo][name]
        return self._commits[repo][commit], commit

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and content for a path as it was sent: slashes in a branch are quoted."""
        if match := re.fullmatch(r"/api/(?:models/|(datasets/))([^/]+/[^/]+)/(revision|tree)/([^/]+)", path):
            repo, kind, revision = (match[1] or "") + match[2], match[3], unquote(match[4])
        elif match := re.fullmatch(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repo, revision, kind = match[1], unquote(match[2]), unquote(match[3])
        else:
            return 404, {}, b""
        if repo not in self._commits:
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        commit = self._names[repo].get(revision, revision)
        if commit not in self._commits[repo]:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        folder = self._commits[repo][commit]
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        if kind == "revision":
            siblings = [{"rfilename": str(file.relative_to(folder))} for file in files]
            return 200, {}, json.dumps({"id": repo, "sha": commit, "siblings": siblings}).encode()
        if kind == "tree":
            return 200, {}, json.dumps([_entry(file, folder) for file in files]).encode()
        if not (folder / kind).is_file():
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
        content = (folder / kind).read_bytes()
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        return 200, headers, content

    def note(self, path: str) -> None:
        """Remember that a file was downloaded."""
        if "/resolve/" in path:
            self.fetched.append(path.removeprefix("/").replace("/resolve/", "/"))


def _entry(file: Path, folder: Path) -> dict[str, object]:
    oid = hashlib.sha1(file.read_bytes()).hexdigest()
    return {"type": "file", "path": str(file.relative_to(folder)), "size": file.stat().st_size, "oid": oid}


@contextmanager
def serving() -> Iterator[Hub]:
    """Serve an empty hub while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._reply()

        def do_GET(self) -> None:
            content = self._reply()
            hub.note(unquote(urlsplit(self.path).path))
            self.wfile.write(content)

        def _reply(self) -> bytes:
            status, headers, content = hub.answer(urlsplit(self.path).path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            return content

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
