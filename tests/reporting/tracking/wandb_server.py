"""A small W&B-compatible server on a real socket: it keeps what wandb's clients send, for tests to look at.

wandb sends from a process of its own, which no mock in the test's process would see. Operations are told
by their GraphQL name and answered in full; one that isn't known is refused and kept in `unknown`.
"""

import base64
import gzip
import itertools
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import RLock, Thread
from typing import Any
from urllib.parse import unquote

KEY = "0123456789" * 4
CREATED = "2026-11-22T12:00:00Z"


@dataclass
class Run:
    """A run as the server knows it."""

    id: str
    name: str
    project: str
    display_name: str = ""
    group: str | None = None
    commit: str | None = None
    state: str = "running"
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    streams: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def history(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.streams.get("wandb-history.jsonl", [])]


@dataclass
class Artifact:
    """A version of an artifact; its manifest and files lie in the server's storage."""

    id: str
    client_id: str
    project: str
    run: str
    type: str
    collection: str
    version: int
    digest: str
    state: str = "PENDING"


class WandbServer:
    """What the server keeps: by project and id, name or number; `key` is the only one that may log in."""

    def __init__(self) -> None:
        self.entity = "team"
        self.key = KEY
        self.projects: list[str] = []
        self.runs: dict[tuple[str, str], Run] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.views: dict[str, dict[str, Any]] = {}
        self.storage: dict[str, bytes] = {}
        self.operations: list[str] = []
        self.unknown: list[str] = []
        self.url = ""
        self._numbers = itertools.count(1)
        self.lock = RLock()

    def state(self) -> dict[str, Any]:
        """All that a sync can change, to compare before and after."""
        with self.lock:
            runs = {
                key: {
                    "config": {name: value for name, value in run.config.items() if name != "_wandb"},
                    "summary": {name: value for name, value in run.summary.items() if name != "_wandb"},
                    "history": run.history,
                    "state": run.state,
                    "files": sorted(name for name in run.files if name.startswith("media/")),
                }
                for key, run in self.runs.items()
            }
            artifacts = [
                (a.project, a.collection, a.type, a.version, a.digest, a.state)
                for a in self.artifacts.values()
            ]
        return {"projects": list(self.projects), "runs": runs, "artifacts": sorted(artifacts)}

    def specs(self, kind: str) -> dict[str, dict[str, Any]]:
        """Specs of the saved views of a kind ("runs" are Reports, "project-view" Workspaces), by title."""
        with self.lock:
            return {
                view["displayName"]: json.loads(view["spec"])
                for view in self.views.values()
                if view["type"] == kind
            }

    def number(self, kind: str) -> str:
        """An id as W&B gives them out: base64 of a kind and a number."""
        return base64.b64encode(f"{kind}:{next(self._numbers)}".encode()).decode()

    def environment(self) -> dict[str, str]:
        """What a wandb client needs to be set to reach this server."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": self.key, "WANDB_MODE": "online"}

    # --- what clients ask for -------------------------------------------------------------------------

    def answer(self, name: str, variables: dict[str, Any]) -> Any:
        with self.lock:
            self.operations.append(name)
            answer = getattr(self, "_on_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), None)
            if answer is None:
                self.unknown.append(name)
                raise LookupError(f"unknown operation {name}")
            return answer(variables)

    def _viewer(self) -> dict[str, Any]:
        nobody = {"admin": False, "deletedAt": None, "apiKeys": {"edges": []}, "teams": {"edges": []}}
        return {
            "id": "VXNlcjox",
            "name": "A User",
            "username": "user",
            "email": "user@example.com",
            "entity": self.entity,
            "flags": "{}",
            **nobody,
        }

    def _on_viewer(self, variables: dict[str, Any]) -> Any:
        return {"viewer": self._viewer()}

    _on_get_viewer = _on_get_default_entity = _on_viewer

    def _on_server_features_query(self, variables: dict[str, Any]) -> Any:
        return {"serverInfo": {"features": []}}

    def _project(self, name: str) -> dict[str, Any]:
        return {
            "id": base64.b64encode(f"Project:{name}".encode()).decode(),
            "internalId": str(1 + self.projects.index(name)),
            "name": name,
            "entityName": self.entity,
            "entity": {"id": "RW50aXR5OjE=", "name": self.entity},
            "createdAt": CREATED,
            "isBenchmark": False,
            "description": "",
            "access": "PRIVATE",
            "views": "{}",
            "user": self._viewer(),
        }

    def _known(self, variables: dict[str, Any]) -> str | None:
        name = variables.get("project") or variables.get("projectName") or variables.get("name")
        entity = variables.get("entity") or variables.get("entityName") or self.entity
        return name if name in self.projects and entity == self.entity else None

    def _on_project_internal_id(self, variables: dict[str, Any]) -> Any:
        name = self._known(variables)
        return {"project": name and self._project(name)}

    def _on_get_projects(self, variables: dict[str, Any]) -> Any:
        return {"models": _connection([self._project(name) for name in self.projects])}

    def _on_create_project(self, variables: dict[str, Any]) -> Any:
        name = variables["input"]["name"]
        self.projects.append(name)
        return {"result": {"project": self._project(name), "model": self._project(name), "inserted": True}}

    # --- runs -----------------------------------------------------------------------------------------

    def _on_run_resume_status(self, variables: dict[str, Any]) -> Any:
        run = self.runs.get((variables["project"], variables["name"]))
        if variables["project"] not in self.projects:
            return {"model": None}
        return {"model": {**self._project(variables["project"]), "bucket": run and self._bucket(run)}}

    def _on_upsert_bucket(self, variables: dict[str, Any]) -> Any:
        run = next((run for run in self.runs.values() if run.id == variables.get("id")), None)
        inserted = run is None
        if run is None:
            project = variables.get("project") or "uncategorized"
            if project not in self.projects:
                self.projects.append(project)
            key = (project, variables["name"])
            inserted = key not in self.runs
            run = self.runs.setdefault(key, Run(self.number("Run"), variables["name"], project))
        for name, attribute in (("config", "config"), ("summaryMetrics", "summary")):
            if variables.get(name) is not None:
                setattr(run, attribute, json.loads(variables[name]))
        run.display_name = variables.get("displayName") or variables.get("display_name") or run.display_name
        run.group = variables.get("groupName") or run.group
        run.commit = variables.get("commit") or run.commit
        return {"upsertBucket": {"bucket": self._bucket(run), "inserted": inserted}}

    def _bucket(self, run: Run) -> dict[str, Any]:
        lines = {name: run.streams.get(name, []) for name in ("wandb-history.jsonl", "wandb-events.jsonl")}
        history, events = lines.values()
        return {
            "id": run.id,
            "name": run.name,
            "displayName": run.display_name or run.name,
            "projectId": str(1 + self.projects.index(run.project)),
            "project": self._project(run.project),
            "state": run.state,
            "config": json.dumps(run.config),
            "summaryMetrics": json.dumps(run.summary),
            "systemMetrics": "{}",
            "group": run.group,
            "commit": run.commit,
            "createdAt": CREATED,
            "heartbeatAt": CREATED,
            "user": {"name": "A User", "username": "user"},
            "tags": [],
            "readOnly": False,
            "historyLineCount": len(history),
            "eventsLineCount": len(events),
            "logLineCount": len(run.streams.get("output.log", [])),
            "historyTail": json.dumps(history[-1:]),
            "eventsTail": json.dumps(events[-1:]),
            "wandbConfig": json.dumps({"t": run.config.get("_wandb", {}).get("value", {}).get("t")}),
            **dict.fromkeys(("sweepName", "jobType", "description", "notes", "historyKeys")),
        }

    def _on_runs(self, variables: dict[str, Any]) -> Any:
        if (project := self._known(variables)) is None:
            return {"project": None}
        runs = [run for (of, _), run in self.runs.items() if of == project]
        states = json.loads(variables["filters"]).get("state", {}).get("$in")
        runs = [run for run in runs if states is None or run.state in states]
        start = int(variables.get("cursor") or 0)
        page = _connection([self._bucket(run) for run in runs], start, variables["perPage"])
        return {"project": {**self._project(project), "runCount": len(runs), "readOnly": False, "runs": page}}

    def _on_run(self, variables: dict[str, Any]) -> Any:
        run = self.runs.get((variables["project"], variables["name"]))
        return {"project": {"run": run and self._bucket(run)}}

    def stream(self, project: str, name: str, sent: dict[str, Any]) -> dict[str, Any]:
        """A part of a run's history, summary or console, at its place in the file."""
        with self.lock:
            run = self.runs[project, name]
            for file, part in sent.get("files", {}).items():
                if file == "wandb-summary.json":
                    run.summary = json.loads(part["content"][-1])
                else:
                    offset, lines = part["offset"], run.streams.setdefault(file, [])
                    lines[offset : offset + len(part["content"])] = part["content"]
            if sent.get("complete"):
                run.state = "finished" if sent.get("exitcode") == 0 else "failed"
        return {}

    def _on_create_run_files(self, variables: dict[str, Any]) -> Any:
        project, run = variables["project"], variables["run"]
        files = [
            {"name": file, "uploadUrl": f"{self.url}/storage/run/{project}/{run}/{file}"}
            for file in variables["files"]
        ]
        return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": files}}

    # --- views: Workspaces and Reports ------------------------------------------------------------------

    def _on_upsert_view(self, variables: dict[str, Any]) -> Any:
        id_ = variables.get("id") or self.number("View")
        inserted = id_ not in self.views
        view = self.views.setdefault(id_, {"id": id_, "createdAt": CREATED, "updatedAt": CREATED})
        named = ("name", "displayName", "description", "type", "spec")
        view.update({name: variables[name] for name in named if name in variables})
        view["project"] = self._project(variables["projectName"])
        return {"upsertView": {"view": view, "inserted": inserted}}

    _on_upsert_view2 = _on_upsert_view

    def _on_view(self, variables: dict[str, Any]) -> Any:
        if (project := self._known({"project": variables["projectName"], **variables})) is None:
            return {"project": None}
        kind, name = variables["viewType"], variables.get("viewName")
        nodes = [
            {**view, "user": {"username": "user", "photoUrl": None, "email": None}}
            for view in self.views.values()
            if view["type"] == kind and view["project"]["name"] == project and name in (None, view["name"])
        ]
        return {"project": {"allViews": _connection(nodes)}}

    def _on_project_views(self, variables: dict[str, Any]) -> Any:
        return self._on_view({"viewType": "runs", "projectName": variables["project"], **variables})

    # --- artifacts ------------------------------------------------------------------------------------

    def _on_create_artifact(self, variables: dict[str, Any]) -> Any:
        given = variables["input"]
        project, collection = given["projectName"], given["artifactCollectionName"]
        versions = [a for a in self.artifacts.values() if (a.project, a.collection) == (project, collection)]
        committed = [a for a in versions if a.state == "COMMITTED"]
        equal = next((a for a in versions if given["clientID"] == a.client_id), None)
        if equal is None and given["enableDigestDeduplication"]:
            equal = next((a for a in committed if a.digest == given["digest"]), None)
        if equal is None:
            equal = Artifact(
                id=self.number("Artifact"),
                client_id=given["clientID"],
                project=project,
                run=given["runName"],
                type=given["artifactTypeName"],
                collection=collection,
                version=len(committed),
                digest=given["digest"],
            )
            self.artifacts[equal.id] = equal
        latest = {"id": committed[-1].id} if committed else None
        answer = {"id": equal.id, "state": equal.state, "artifactSequence": {"latestArtifact": latest}}
        return {"createArtifact": {"artifact": answer}}

    def _on_create_artifact_manifest(self, variables: dict[str, Any]) -> Any:
        url = f"{self.url}/storage/manifest/{variables['artifactID']}"
        file = {"id": self.number("File"), "uploadUrl": url, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": self.number("M"), "file": file}}}

    _on_update_artifact_manifest = _on_create_artifact_manifest

    def _on_create_artifact_files(self, variables: dict[str, Any]) -> Any:
        nodes = [
            {
                "storagePath": f"{spec['artifactID']}/{spec['name']}",
                "uploadUrl": f"{self.url}/storage/artifact/{spec['artifactID']}/{spec['name']}",
                "uploadHeaders": [],
                "uploadMultipartUrls": None,
                "artifact": {"id": spec["artifactID"]},
            }
            for spec in variables["input"]["artifactFiles"]
        ]
        return {"createArtifactFiles": {"files": _connection(nodes)}}

    def _on_commit_artifact(self, variables: dict[str, Any]) -> Any:
        artifact = self.artifacts[variables["artifactID"]]
        artifact.state = "COMMITTED"
        return {"commitArtifact": {"artifact": {"id": artifact.id, "digest": artifact.digest}}}

    def _collection(self, variables: dict[str, Any]) -> tuple[Artifact | None, dict[str, Any]]:
        """The newest version under a name (`results-a:latest`), and its collection as W&B tells it."""
        name = (variables.get("name") or variables.get("collection")).partition(":")[0]
        found = [a for a in self.artifacts.values() if a.collection == name and a.state == "COMMITTED"]
        about = {"__typename": "ArtifactSequence", "name": name}
        return (found[-1] if found else None), about

    def _on_artifact_membership_by_name(self, variables: dict[str, Any]) -> Any:
        if (project := self._known({"project": variables["project"]})) is None:
            return {"project": None}
        artifact, about = self._collection(variables)
        if artifact is None:
            return {"project": {"artifactCollectionMembership": None}}
        about["project"] = self._project(project)
        alias = {"__typename": "ArtifactAlias", "id": "QWxpYXM6MQ==", "alias": "latest"}
        files = self._files(artifact)
        content = {
            "__typename": "Artifact",
            "id": artifact.id,
            "artifactSequence": about,
            "versionIndex": artifact.version,
            "artifactType": {"name": artifact.type},
            "description": None,
            "metadata": None,
            "ttlDurationSeconds": -1,
            "ttlIsInherited": False,
            "tags": [],
            "historyStep": None,
            "state": artifact.state,
            "size": sum(map(len, files.values())),
            "digest": artifact.digest,
            "digestAlgorithm": "MANIFEST_MD5",
            "commitHash": "0" * 20,
            "fileCount": len(files),
            "createdAt": CREATED,
            "updatedAt": CREATED,
            "aliases": [{**alias, "artifactCollection": about}],
        }
        membership = {
            "__typename": "ArtifactCollectionMembership",
            "id": "TWVtYmVyOjE=",
            "versionIndex": artifact.version,
            "createdAt": CREATED,
            "aliases": [alias],
            "artifactCollection": about,
            "artifact": content,
        }
        return {"project": {"artifactCollectionMembership": membership}}

    def _on_fetch_artifact_manifest(self, variables: dict[str, Any]) -> Any:
        url = f"{self.url}/storage/manifest/{variables['id']}"
        return {"artifact": {"currentManifest": {"file": {"directUrl": url}}}}

    def _files(self, artifact: Artifact) -> dict[str, bytes]:
        prefix = f"artifact/{artifact.id}/"
        return {
            key.removeprefix(prefix): body for key, body in self.storage.items() if key.startswith(prefix)
        }


def _connection(nodes: list[Any], start: int = 0, size: int | None = None) -> dict[str, Any]:
    """A page of nodes, as GraphQL's lists are given."""
    end = len(nodes) if size is None else min(len(nodes), start + size)
    edges = [{"node": node, "cursor": str(at + 1)} for at, node in enumerate(nodes)]
    return {
        "edges": edges[start:end],
        "pageInfo": {"__typename": "PageInfo", "endCursor": str(end), "hasNextPage": end < len(nodes)},
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wandb: WandbServer

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self._body()
        stream = re.fullmatch(r"/files/(?:[^/]+/)?([^/]+)/([^/]+)/file_stream", unquote(self.path))
        if stream:
            self._send(200, self.wandb.stream(stream[1], stream[2], json.loads(body)))
        elif self.path == "/graphql":
            self._graphql(json.loads(body))
        else:
            self._send(200, {})

    def do_PUT(self) -> None:
        body, kind, key = self._body(), *unquote(self.path).removeprefix("/storage/").split("/", 1)
        with self.wandb.lock:
            if kind == "run":
                project, run, name = key.split("/", 2)
                self.wandb.runs[project, run].files[name] = body
            self.wandb.storage[f"{kind}/{key}"] = body
        self._send(200, {})

    def do_GET(self) -> None:
        key = unquote(self.path).removeprefix("/storage/")
        if self.path.startswith("/artifactsV2/"):  # .../<collection>/<artifact>/<digest>/<file>
            *_, artifact, _, name = key.split("/")
            key = f"artifact/{artifact}/{name}"
        stored = self.wandb.storage.get(key)
        self._send(404 if stored is None else 200, stored or b"")

    def _graphql(self, sent: dict[str, Any]) -> None:
        expected = base64.b64encode(f"api:{self.wandb.key}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            return self._send(401, {"errors": [{"message": "user is not logged in"}]})
        named = re.search(r"(?:query|mutation)\s+(\w+)", sent["query"])
        try:
            data = self.wandb.answer(named[1] if named else "", sent.get("variables") or {})
        except LookupError as error:
            return self._send(400, {"errors": [{"message": str(error)}]})
        return self._send(200, {"data": data})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _send(self, code: int, content: Any) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that a client leaves without a word, as wandb's do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def running_server() -> Iterator[WandbServer]:
    """The server on a free port of this machine, until the end of the block."""
    wandb = WandbServer()
    handler = type("Handler", (_Handler,), {"wandb": wandb})
    with _Server(("127.0.0.1", 0), handler) as server:
        wandb.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield wandb
        finally:
            server.shutdown()
            thread.join()
