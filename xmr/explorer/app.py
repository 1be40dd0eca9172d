"""The web application: the front end's files, the API and its documentation, behind the guard."""

from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from xmr.core.errors import XmrError
from xmr.explorer.files import Assets
from xmr.explorer.insight import Insight
from xmr.explorer.problems import kind_of
from xmr.explorer.routes import router
from xmr.explorer.routes_more import more
from xmr.explorer.safety import Access, App, Guard, refused
from xmr.explorer.service import Explorer

ABOUT = """Search, graphs, maps and metrics of the models that are open.

Every request needs the token: `Authorization: Bearer TOKEN`, or the cookie that the printed address sets.
Errors are `{"error": {"kind": ..., "message": ...}}`."""
STATUS_NAMES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "invalid", 413: "too_large"}


def create_app(explorer: Explorer, access: Access, *, assets: Assets | None = None) -> App:
    """The ASGI application that serves `explorer` to who has the token of `access`."""
    shown = assets or Assets()
    # what is async answers even while every thread of the pool is busy
    # its own documentation pages load scripts from other hosts; ours, docs.html, does not
    app = FastAPI(
        title="xmr explorer",
        version=version("xmr"),
        description=ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.explorer, app.state.insight = explorer, Insight(explorer)
    app.include_router(router)
    app.include_router(more)
    _handle_errors(app)

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return shown.response("index.html", request)

    @app.get("/api/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return shown.response("docs.html", request)

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon(request: Request) -> Response:
        return shown.response("favicon.svg", request)

    @app.get("/assets/{name:path}", include_in_schema=False)
    async def asset(name: str, request: Request) -> Response:
        return shown.response(name, request)

    return Guard(app, access)


def _handle_errors(app: FastAPI) -> None:
    """Have every error leave as `{"error": {"kind", "message"}}`."""

    @app.exception_handler(XmrError)
    async def ours(_: Request, error: XmrError) -> Response:
        kind, status = kind_of(error)
        return refused(status, kind, str(error))

    @app.exception_handler(RequestValidationError)
    async def wrong_shape(_: Request, error: RequestValidationError) -> Response:
        said = "; ".join(
            f"{'.'.join(map(str, problem['loc'][1:])) or 'the body'}: {problem['msg']}"
            for problem in error.errors()
        )
        return refused(422, "invalid", said)

    @app.exception_handler(HTTPException)
    async def of_the_framework(_: Request, error: HTTPException) -> Response:
        kind = STATUS_NAMES.get(error.status_code, "invalid")
        return refused(error.status_code, kind, str(error.detail), error.headers)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return refused(500, "internal", f"the explorer failed ({type(error).__name__}); see its terminal")
