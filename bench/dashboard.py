"""How soon websocket clients know what happened, beside a bare broadcast of the same frames, and by how many there are.

Run: `./qt bench dashboard`. The real web process; clients in processes of their own (`bench.live_clients`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from bench.live_clients import P95_MS_MAX, STALLED_RATIO_MAX, STALLED_SHARE, Load, Round, Server, bench_servers, measure
from bench.report.rows import Better, Curve, Point, Row, Series, Told, ours_at_most, ratio_at_most
from bench.run import Bench

CLIENTS = 200
GROWTH = (2, 20)  # and CLIENTS
SECONDS = 8.0
QUICK_SECONDS = 4.0
QUICK_WARM_SECONDS = 2.0


def rows(bench: Bench) -> Iterator[Told]:
    """With one client in ten stalled, without, and a bare broadcast, in turn; then fewer clients."""
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    load_of = partial(Load, seconds=seconds, **({"warm_seconds": QUICK_WARM_SECONDS} if bench.quick else {}))
    stalled = CLIENTS // STALLED_SHARE
    readers = CLIENTS - stalled
    with bench_servers() as (server, raw, redis_url):
        assert raw is not None
        seen: dict[str, list[Round]] = {"stalled": [], "alone": [], "bare": []}

        def round_of(kind: str, where: Server, load: Load) -> Callable[[], float]:
            def take() -> float:
                seen[kind].append(measure(where, load, redis_url))
                return seen[kind][-1].percentile(0.95)

            return take

        taken = bench.in_turn(
            {
                "stalled": round_of("stalled", server, load_of(readers=readers, stalled=stalled)),
                "alone": round_of("alone", server, load_of(readers=readers)),
                "bare": round_of("bare", raw, load_of(readers=readers)),
            },
            usual=3,
            quick=1,
            warm=0,
        )
        sizes = (GROWTH[-1],) if bench.quick else GROWTH
        fewer = {size: measure(server, load_of(readers=size), redis_url) for size in sizes}
    yield from told(taken, seen, stalled)
    grown = {**{size: [one] for size, one in fewer.items()}, readers: seen["alone"]}
    yield Curve(
        name="dashboard-clients",
        what="Websocket clients",
        x="clients",
        unit="ms",
        lines={
            "p95 from event to reader": [
                Point(n, [each.percentile(0.95) for each in all_]) for n, all_ in grown.items()
            ],
            "server's processor time a thousand frames": [
                Point(n, [each.cpu_ms_per_thousand_frames for each in all_]) for n, all_ in grown.items()
            ],
        },
    )


def told(taken: dict[str, Series], seen: dict[str, list[Round]], stalled: int) -> Iterator[Told]:
    """The rows of the three kinds of round."""
    bare = Series("a bare broadcast", taken["bare"].rounds)
    yield Row(
        name="dashboard-p95",
        what=f"{CLIENTS} clients, {stalled} of them stalled: event to reader, p95",
        unit="ms",
        better=Better.LOWER,
        ours=taken["stalled"],
        limit=bare,
        target=ours_at_most(P95_MS_MAX),
    )
    yield Row(
        name="dashboard-stalled",
        what="p95 with stalled clients against without",
        unit="ms",
        better=Better.LOWER,
        ours=taken["stalled"],
        limit=Series("none stalled", taken["alone"].rounds),
        target=ratio_at_most(STALLED_RATIO_MAX),
    )
    yield Row(
        name="dashboard-processor",
        what="server's processor time a thousand frames",
        unit="ms",
        better=Better.LOWER,
        ours=Series("ours", [each.cpu_ms_per_thousand_frames for each in seen["alone"]]),
        limit=Series("a bare broadcast", [each.cpu_ms_per_thousand_frames for each in seen["bare"]]),
    )
    wrong = [
        sum(each.readers[fault] for fault in ("lost", "reordered", "behind", "cut_off"))
        for each in (*seen["stalled"], *seen["alone"])
    ]
    yield Row(
        name="dashboard-lost",
        what="events lost, out of order or cut off",
        unit="events",
        better=Better.LOWER,
        ours=Series("ours", [float(sum(wrong))]),
        target=ours_at_most(0),
    )
