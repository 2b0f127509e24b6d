"""The dashboard page and its files: they say nothing of the system, so anybody may have them."""

from __future__ import annotations

import sys
from pathlib import Path

from flask import Flask, Response, redirect, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

STATIC = Path(__file__).parent / "static"
# Where `./qt` puts what web/package-lock.json names; without npm, or without a network, there is nothing.
PACKAGES = Path(sys.prefix) / ".qt" / "npm" / "node_modules"
CHARTS = "lightweight-charts/dist/lightweight-charts.standalone.production.mjs"
JAVASCRIPT = "text/javascript"
NO_CHARTS = "export {};\n"  # a page that asks for charts learns that there are none, without an error
# The page is always asked for anew; its files too, but they are only sent again when they have changed.
REVALIDATE = "no-cache"


def add_page(app: Flask) -> None:
    """The page at `/`, its files under `/static/`."""

    @app.get("/")
    def page() -> Response:
        response = send_from_directory(STATIC, "index.html", max_age=None, conditional=False)
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/static/<path:name>")
    def static(name: str) -> Response:
        response = send_from_directory(STATIC, name, max_age=None, conditional=True)
        response.headers["Cache-Control"] = REVALIDATE
        return response

    @app.get("/packages/lightweight-charts.js")
    def charts() -> Response:
        if not (PACKAGES / CHARTS).is_file():
            return Response(NO_CHARTS, content_type=JAVASCRIPT)
        response = send_from_directory(PACKAGES, CHARTS, mimetype=JAVASCRIPT, max_age=None, conditional=True)
        response.headers["Cache-Control"] = REVALIDATE
        return response

    @app.get("/favicon.ico")
    def favicon() -> AnyResponse:
        return redirect("/static/icon.svg", code=308)
