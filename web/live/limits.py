"""Every bound of the live stream, in one place."""

from __future__ import annotations

# The contract of the live socket.
BATCH_EVENTS_MAX = 10
BATCH_WAIT_SECONDS = 0.1
EVENTS_PER_SECOND_MAX = 50

# Above this many waiting events (one second's worth) a newer state replaces an older one of the same thing.
CONFLATE_ABOVE_EVENTS = 50
# Events that no later one replaces; beyond two seconds' worth the oldest is dropped, and counted.
ORDINARY_EVENTS_MAX = 100
# Held up by the pace for longer than this is no burst any more: more comes than may be sent, and what is oldest goes.
HELD_UP_SECONDS_MAX = 2.0
# How much may then wait: half a frame, sent within a tenth of a second.
HELD_UP_EVENTS_MAX = 5
# Even states of different things end somewhere: beyond this a client starts again from a snapshot.
WAITING_EVENTS_MAX = 1_000
# How much history a client that was away can have back; beyond it, it starts again from a snapshot.
RESUME_EVENTS_MAX = 1_000

READ_EVENTS_MAX = 500
READ_BLOCK_SECONDS = 0.1  # also how long a new client waits for its first frame, and a slow one for the next try
BOUNDS_CHECK_SECONDS = 1.0  # how soon a stream that began anew is noticed
STREAM_RETRY_SECONDS = 0.25
STREAM_GRACE_SECONDS = 2.0  # an outage that is shorter is not shown to anybody

CLIENTS_MAX = 256
OUTGOING_BYTES_MAX = 262_144  # per client, beside the kernel's buffer
KERNEL_BUFFER_BYTES = 65_536  # a frame that nobody reads should wait here, where newer ones can still replace it
UPKEEP_SECONDS = 0.25
PING_SECONDS = 15.0
SILENCE_SECONDS_MAX = 40.0  # nothing heard, not even a pong: gone
STALL_SECONDS_MAX = 20.0  # nothing taken from us: gone
CLOSE_SECONDS_MAX = 2.0  # for a client to answer our goodbye
ACCESS_CHECK_SECONDS = 30.0  # how soon a revoked token loses its socket
INCOMING_BYTES_MAX = 4_096
