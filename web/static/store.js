// What the page knows: the newest snapshot, and every event after it.

const ROWS_MAX = 200;
const EVENTS_KEPT = 600;
const told = (block) => ({ source: block?.source ?? null, ageSeconds: block?.age_seconds ?? null, reason: block?.reason ?? null });

export class Store {
  seq = null; // the last event applied or known to be part of the snapshot
  at = null; // performance.now() of the newest snapshot
  dropped = 0;
  snapshot = null;
  signals = new Map();
  orders = new Map();
  positions = new Map();
  touched = new Map(); // block -> performance.now() of the event that changed it since the snapshot
  #events = [];

  /** Replace everything by a snapshot, then apply what came after it. */
  load(snapshot) {
    this.snapshot = snapshot;
    this.at = performance.now();
    this.touched.clear();
    this.signals = byKey(snapshot.signals?.items, "signal_id");
    this.orders = byKey(snapshot.orders?.items, "order_id");
    this.positions = byKey(snapshot.positions?.items, "symbol");
    if (snapshot.seq === null || snapshot.seq === undefined) return;
    if (this.seq !== null && snapshot.seq < this.seq && !this.#events.some((event) => event.seq > snapshot.seq)) {
      // The stream began anew: what we remember belongs to another one.
      this.#events = [];
      this.seq = snapshot.seq;
    }
    this.#events = this.#events.filter((event) => event.seq > snapshot.seq);
    this.#events.forEach((event) => this.#apply(event));
    this.seq = Math.max(this.seq ?? 0, snapshot.seq);
  }

  /** Take a frame in; false when it does not follow what is known, so that the snapshot must be loaded again. */
  take(frame) {
    const follows = this.seq === null || frame.last_seq - frame.count - frame.dropped <= this.seq;
    this.dropped += frame.dropped;
    for (const event of frame.events) {
      if (this.seq !== null && event.seq <= this.seq) continue;
      this.#events.push(event);
      this.#apply(event);
    }
    if (this.#events.length > EVENTS_KEPT) this.#events.splice(0, this.#events.length - EVENTS_KEPT);
    this.seq = Math.max(this.seq ?? 0, frame.last_seq);
    return follows;
  }

  /** A gap was told of: what was remembered is of no use any more. */
  forget(seq) {
    this.#events = [];
    this.seq = seq;
  }

  /** Source, reason and present age of a block of figures. */
  told(block) {
    const { source, ageSeconds, reason } = told(this.snapshot?.[block]);
    const touched = this.touched.get(block);
    if (touched !== undefined) return { source: "live event", age: (performance.now() - touched) / 1000, reason };
    const age = ageSeconds === null || this.at === null ? null : ageSeconds + (performance.now() - this.at) / 1000;
    return { source, age, reason };
  }

  /** Seconds since a figure with an age of its own (a position) was true. */
  ageOf(item) {
    if (item.age_seconds === null || item.age_seconds === undefined) return null;
    return item.age_seconds + (performance.now() - (item.heardAt ?? this.at)) / 1000;
  }

  #apply({ type, at, payload }) {
    switch (type) {
      case "signal_received":
        put(this.signals, payload.signal_id, { reason: null, decided_at: null, received_at: at, ...payload });
        break;
      case "signal_decided":
        put(this.signals, payload.signal_id, payload);
        break;
      case "order_placed":
      case "order_updated":
        put(this.orders, payload.order_id, payload);
        break;
      case "position_updated":
        // The event knows no mark price: what depended on the old quantity is not known until the next snapshot.
        put(this.positions, payload.symbol, {
          ...payload,
          unrealised_pnl: payload.unrealised_pnl ?? null,
          reason: "the position changed; valued with the next snapshot",
          source: "live event",
          age_seconds: 0,
          heardAt: performance.now(),
        });
        if (/^-?0*\.?0*$/.test(payload.quantity)) this.positions.delete(payload.symbol);
        break;
      case "pnl_updated":
        this.#merge("portfolio", payload);
        break;
      case "ess_state_changed":
        this.#merge("ess", payload);
        break;
    }
  }

  #merge(block, payload) {
    if (!this.snapshot) return;
    this.snapshot = { ...this.snapshot, [block]: { ...this.snapshot[block], ...payload } };
    this.touched.set(block, performance.now());
  }
}

function byKey(items, key) {
  return new Map((items ?? []).map((item) => [item[key], item]).reverse());
}

/** Newest last; the oldest fall off. */
function put(map, key, changes) {
  if (key === undefined || key === null) return;
  map.set(key, { ...map.get(key), ...changes });
  if (map.size > ROWS_MAX) map.delete(map.keys().next().value);
}
