"""The least that a Flask route can do with a posted signal: parse it, answer 202. A limit of `bench.intake`."""

from __future__ import annotations

import orjson
from flask import Flask, Response, request

app = Flask("bare", static_folder=None)


@app.post("/api/signals")
def post_signals() -> Response:
    """Promises nothing."""
    body = orjson.loads(request.get_data())
    signals = body if isinstance(body, list) else [body]
    results = [{"signal_id": signal["signal_id"], "verdict": "QUEUED"} for signal in signals]
    return Response(orjson.dumps({"results": results}), status=202, content_type="application/json")
