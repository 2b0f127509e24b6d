// What the page knows: the newest snapshot, every event after it, and what it was told that it missed.

const ROWS_MAX = 300;
const EVENTS_KEPT = 600;
const TOLD_KEPT = 50;

export class Store {
  seq = null; // the last event applied or known to be part of the snapshot
  at = null; // performance.now() of the newest snapshot
  dropped = 0; // events that were conflated or dropped on the way to us, as the server counted them
  received = 0;
  gaps = []; // what was lost for good and made us load the snapshot again: {at, from, to, reason}
  alerts = []; // newest first
  trades = []; // newest first
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
    const before = frame.last_seq - frame.count - frame.dropped;
    const follows = this.seq === null || before <= this.seq;
    if (!follows) this.#gap(this.seq + 1, before, "frames are missing");
    this.dropped += frame.dropped;
    for (const event of frame.events) {
      if (this.seq !== null && event.seq <= this.seq) continue;
      this.received += 1;
      this.#events.push(event);
      this.#apply(event);
      this.#tellOf(event);
    }
    if (this.#events.length > EVENTS_KEPT) this.#events.splice(0, this.#events.length - EVENTS_KEPT);
    this.seq = Math.max(this.seq ?? 0, frame.last_seq);
    return follows;
  }

  /** The server told of a gap: what was remembered is of no use any more. */
  forget(frame) {
    this.#gap(this.seq === null ? null : this.seq + 1, frame.first_seq ? frame.first_seq - 1 : frame.last_seq, frame.reason);
    this.#events = [];
    this.seq = frame.last_seq;
  }

  /** Source, reason and present age of a block of figures. */
  told(name) {
    const block = this.snapshot?.[name];
    const reason = block?.reason ?? (this.snapshot ? null : "nothing was loaded yet");
    const touched = this.touched.get(name);
    if (touched !== undefined) return { source: "live event", age: (performance.now() - touched) / 1000, reason };
    return { source: block?.source ?? null, age: this.#grown(block?.age_seconds, this.at), reason };
  }

  /** The same of a row with an age of its own (a position). */
  toldOf(item) {
    return { source: item.source ?? null, age: this.#grown(item.age_seconds, item.heardAt ?? this.at), reason: item.reason ?? null };
  }

  #grown(seconds, at) {
    return seconds === null || seconds === undefined || at === null ? null : seconds + (performance.now() - at) / 1000;
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
        if (payload.symbol === undefined) this.#merge("portfolio", payload);
        break;
      case "ess_state_changed":
        this.#merge("ess", payload);
        break;
      case "policy_changed":
        this.#merge("policy", { version: payload.version, mode: payload.mode });
        break;
    }
  }

  #tellOf({ type, at, payload }) {
    const list = type === "health_alert" ? this.alerts : type === "trade_executed" ? this.trades : null;
    list?.unshift({ at, ...payload });
    if (list?.length > TOLD_KEPT) list.pop();
  }

  #merge(block, payload) {
    if (!this.snapshot) return;
    this.snapshot = { ...this.snapshot, [block]: { ...this.snapshot[block], ...payload } };
    this.touched.set(block, performance.now());
  }

  #gap(from, to, reason) {
    this.gaps.unshift({ at: new Date().toISOString(), from, to, reason });
    if (this.gaps.length > TOLD_KEPT) this.gaps.pop();
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
