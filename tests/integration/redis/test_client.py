"""Our link to Redis on a real server: restarts, forks, odd addresses, answers that come too late."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from app.adapters.embedded import valkey
from app.adapters.processes.spawn import spawn
from app.adapters.redis.client import LuaScript, RedisLink, RedisUnavailableError, connect
from tests.support.servers import server_home
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration
ECHO = LuaScript("return ARGV[1]")


@contextmanager
def server(home: Path, prepared: valkey.ValkeyServer) -> Iterator[subprocess.Popen[bytes]]:
    """A server of the test's own, to be killed and started again."""
    process = spawn(
        prepared.command,
        environment=os.environ,
        log_path=home / "valkey.log",
        working_directory=Path("/"),
        death_signal=valkey.DEATH_SIGNAL,
    )

    def answers() -> bool:
        with redis.Redis.from_url(prepared.url(), socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    try:
        wait_until(answers, seconds=20, what="Valkey to answer")
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def link(fresh_redis: str) -> Iterator[RedisLink]:
    link = connect(fresh_redis)
    yield link
    link.close()


def test_a_server_that_restarted_while_we_were_idle_is_not_even_noticed() -> None:
    with server_home("qt-test-valkey-") as home:
        prepared = valkey.prepare_valkey(home, throwaway=True)
        link = connect(prepared.url())
        with server(home, prepared):
            gather = threading.Barrier(4)

            def use() -> None:
                gather.wait(5)
                link.run(ECHO, (), ("x",))

            threads = [threading.Thread(target=use) for _ in range(4)]  # several connections are left idle
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
        with server(home, prepared):
            for _ in range(10):
                assert link.run(ECHO, (), ("again",)) == b"again"
        link.close()


def test_a_server_killed_and_back_is_used_again_after_the_breakers_wait() -> None:
    with server_home("qt-test-valkey-") as home:
        prepared = valkey.prepare_valkey(home, throwaway=True)
        link = connect(prepared.url())
        with server(home, prepared) as process:
            assert link.run(ECHO, (), ("x",)) == b"x"
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            for _ in range(5):
                with pytest.raises(RedisUnavailableError):
                    link.run(ECHO, (), ("x",))
            assert link.is_away
        with server(home, prepared):

            def back() -> bool:
                try:
                    return bool(link.run(ECHO, (), ("x",)) == b"x")
                except RedisUnavailableError:
                    return False

            wait_until(back, seconds=10, what="the link to try again")
            assert not link.is_away
        link.close()


def test_an_answer_that_comes_too_late_is_nobody_elses(link: RedisLink, fresh_redis: str) -> None:
    assert link.run(ECHO, (), ("warm",)) == b"warm"
    with redis.Redis.from_url(fresh_redis) as other:
        other.execute_command("CLIENT", "PAUSE", "400", "ALL")
        with pytest.raises(RedisUnavailableError):
            link.run(ECHO, (), ("late",))
        wait_until(lambda: other.ping(), seconds=5, what="the pause to end")
    for number in range(20):
        assert link.run(ECHO, (), (number,)) == str(number).encode()


def test_a_refusal_is_unavailable_too_but_does_not_open_the_circuit(link: RedisLink) -> None:
    for _ in range(5):
        with pytest.raises(RedisUnavailableError) as caught:
            link.run(LuaScript("return redis.call('NO SUCH COMMAND')"), (), ())
        assert isinstance(caught.value.__cause__, redis.ResponseError)
    assert link.run(ECHO, (), ("fine",)) == b"fine"


def test_a_forked_process_does_not_read_its_parents_answers(link: RedisLink) -> None:
    link.run(ECHO, (), ("parent",))
    child = os.fork()
    if child == 0:
        # No fixtures, no pytest: answer by the exit code alone.
        same = all(link.run(ECHO, (), (f"child {number}",)) == f"child {number}".encode() for number in range(200))
        os._exit(0 if same else 1)
    for number in range(200):
        assert link.run(ECHO, (), (number,)) == str(number).encode()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_unix_socket_with_a_password_and_a_database_number() -> None:
    with server_home("qt-test-valkey-") as home:
        prepared = valkey.prepare_valkey(home, throwaway=True)
        socket_path = home / "redis.sock"
        with prepared.configuration.open("a") as configuration:
            configuration.write(f"unixsocket {socket_path}\n")
        with server(home, prepared):
            link = connect(f"unix://:{prepared.password}@{socket_path}?db=3")
            link.call(lambda client: client.set("where", "here"))
            other = connect(prepared.url(3))
            assert other.call(lambda client: client.get("where")) == b"here"
            for each in (link, other):
                each.close()


def test_a_password_never_shows_in_an_error() -> None:
    link = connect("redis://:very-secret@127.0.0.1:1/0")
    with pytest.raises(RedisUnavailableError) as caught:
        link.run(ECHO, (), ("x",))
    assert "very-secret" not in f"{caught.value!r} {caught.value.__cause__!r}"
