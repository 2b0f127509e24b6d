"""A client's socket with one door for everything that is sent: never blocks the sender, never mixes two frames."""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress

from web.live.limits import KERNEL_BUFFER_BYTES, OUTGOING_BYTES_MAX

GOODBYE_SECONDS_MAX = 0.05  # for a kernel that is just busy; a client that takes nothing is not waited for


class OutgoingSocket:
    """Takes a server's blocking socket's place: the receiving thread's pongs and the hub's frames share one lock.

    What the kernel does not take at once waits here, up to `OUTGOING_BYTES_MAX`, and goes out with the next `flush`.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._said_goodbye = False
        self.heard_at = time.monotonic()
        self.progress_at = self.heard_at
        self.sent_bytes = 0

    @property
    def is_clear(self) -> bool:
        """Whether everything offered so far is in the kernel's hands."""
        return not self._waiting

    def send(self, data: bytes) -> int:
        """Send or keep; `OSError` when the client is gone or lets too much wait. Nothing follows a goodbye."""
        with self._lock:
            if self._said_goodbye:
                return len(data)
            if len(self._waiting) + len(data) > OUTGOING_BYTES_MAX:
                raise BrokenPipeError("the client takes nothing")
            if not self._waiting:
                self.progress_at = time.monotonic()
            self._waiting += data
            self._push()
        return len(data)

    def flush(self) -> bool:
        """Try again to send what waits; whether nothing does any more. `OSError` when the client is gone."""
        with self._lock:
            self._push()
            return not self._waiting

    def say_goodbye(self, frame: bytes) -> None:
        """The last thing this client is sent, and then the end of the stream: nobody waits for our side to hang up."""
        with suppress(OSError):
            self.send(frame)
            gone_by = time.monotonic() + GOODBYE_SECONDS_MAX
            while not self.flush() and time.monotonic() < gone_by:
                select.select([], [self._connection], [], GOODBYE_SECONDS_MAX)
            with self._lock:
                self._said_goodbye = True
                if not self._waiting:
                    self._connection.shutdown(socket.SHUT_WR)
        with self._lock:
            self._said_goodbye = True

    def recv(self, size: int) -> bytes:
        """Blocking; every byte heard proves that the client lives."""
        data = self._connection.recv(size)
        if data:
            self.heard_at = time.monotonic()
        return data

    def abort(self) -> None:
        """Wake the receiving thread with the end of the connection; it closes the socket."""
        with suppress(OSError):  # closed already
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptor back; under the lock, so that no sender meets a number that is somebody else's."""
        with self._lock:
            self._waiting.clear()
            self._said_goodbye = True
            self._connection.close()

    def _push(self) -> None:
        while self._waiting:
            try:
                count = self._connection.send(self._waiting, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            del self._waiting[:count]
            self.sent_bytes += count
            self.progress_at = time.monotonic()
