"""Ways to ask a process whether it works. Each answers None for yes, else one line that says why not yet."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit

from app.adapters.processes.specification import Probe

STATUS_LINE_BYTES_MAX = 1024


def answers_http(url: str) -> Probe:
    """GET answers with a status below 400."""
    parts = urlsplit(url)
    host, port, path = parts.hostname or "127.0.0.1", parts.port or 80, parts.path or "/"

    async def probe() -> str | None:
        reader, writer = await asyncio.open_connection(host, port, limit=STATUS_LINE_BYTES_MAX)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            line = (await reader.readline()).decode("latin-1").strip()
        finally:
            writer.close()
        status = line.split(" ", 2)[1:2]
        return None if status and status[0].isdigit() and int(status[0]) < 400 else f"GET {path} answers {line!r}"

    return probe


def touched(ready_file: Path, *, seconds_max: float | None = None) -> Probe:
    """The process has touched its ready file (and, with `seconds_max`, did so that lately)."""

    async def probe() -> str | None:
        try:
            age = time.time() - ready_file.stat().st_mtime
        except FileNotFoundError:
            return "has not reported ready"
        if seconds_max is not None and age > seconds_max:
            return f"last sign of life {age:.0f} s ago"
        return None

    return probe


def answers_postgres(url: str) -> Probe:
    """Postgres accepts a connection and answers a query."""
    import psycopg

    async def probe() -> str | None:
        try:
            async with await psycopg.AsyncConnection.connect(url, connect_timeout=2, autocommit=True) as connection:
                await connection.execute("SELECT 1")
        except psycopg.Error as error:
            return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        return None

    return probe


def answers_redis(url: str) -> Probe:
    """Redis accepts our password and answers PING; loading its file at start counts as not yet."""
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    from app.adapters.redis.client import RedisUnavailableError, connect

    def ask_master() -> str | None:
        link = connect(url, connect_seconds_max=2.0, answer_seconds_max=2.0)
        try:
            link.call(lambda client: client.ping())
        except RedisUnavailableError as error:
            return str(error)
        finally:
            link.close()
        return None

    async def probe() -> str | None:
        if url.startswith("sentinel:"):
            return await asyncio.to_thread(ask_master)
        try:
            async with Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
                await client.ping()
        except RedisError as error:
            return str(error)
        return None

    return probe


def answers_rabbitmq(url: str) -> Probe:
    """RabbitMQ accepts our user, its password and its virtual host."""
    from kombu import Connection

    def connect() -> str | None:
        # Its own errors are as many as the ways to refuse a connection; each says why in words.
        connection = Connection(url, connect_timeout=2, transport_options={"read_timeout": 2, "write_timeout": 2})
        try:
            connection.connect()
        except (*connection.connection_errors, *connection.channel_errors) as error:
            return str(error) or type(error).__name__
        finally:
            connection.release()
        return None

    async def probe() -> str | None:
        return await asyncio.to_thread(connect)

    return probe
