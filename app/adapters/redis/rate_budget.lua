-- The exchange's limits, shared by all processes: every operation is one run of this script, so it is atomic.
-- The reasoning is in docs/decisions/0005-global-rate-budget.md; all times are microseconds of Redis' clock.
-- In front of this text the adapter writes the constants:
--   WINDOWS, BUCKETS (per counter: length of its window and of one bucket), LONGEST, SPREAD, SETTLE, PROBATION,
--   RECOVERY, HEADER_AGE, DEFAULTS (limit per counter), BURST, RESERVED (per counter: {numerator, denominator}),
--   ENTRY_BURST, ENTRY_SPREAD (time that the orders of a whole short window take at least).
-- KEYS  1 state   one packed string: a request costs one GET and one SET as long as its bucket is the newest one
--       2..4 logs per counter (weight, orders_10s, orders_1m): list of "<release> <amount>", oldest first, without the
--              newest bucket (that is in the state); an amount counts until its release, which is its bucket's end +
--              the window + the arrival spread
-- ARGV  1 operation
--       2 now, or '' for Redis' own clock (always, but in tests)
--       3 the generation the caller knows, or ''; 4 the highest grant number it knows of that generation
--       5 what the caller remembers and we may not know, or '':
--         "<gate> <orders gate> <weight> <orders> <entries> <total x 3> <limit x 3> <limits valid for> <nonce>
--         <gate reason>\n<orders gate reason>"
--       6.. what the operation needs
-- Every answer is one letter (G granted, W wait, S settling, O done), 16 doubles (wait, grant number, total x 3,
-- limit x 3, limits valid for, gate closed for, orders gate closed for, recovering, now, lengths of the next three),
-- generation, gate reason, orders gate reason, and the reason of the verdict;
-- or "M" when the caller is to tell what it remembers.
local NAMES = { 'weight', 'orders_10s', 'orders_1m' }

local now
if ARGV[2] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[2])
end

-- The state as it lies in Redis: 26 doubles, the generation and the gates' reasons. (cmsgpack takes three times as long.)
local FORMAT, NUMBERS_LENGTH = '<dddddddddddddddddddddddddd', 26 * 8
local state, changed
local packed = redis.call('GET', KEYS[1])
if packed then
  local grants, last, settled_at, recovered_at, gate, orders_gate, arrival, offset, limits_until, limit1, limit2, limit3,
    total1, oldest1, newest1, amount1, total2, oldest2, newest2, amount2, total3, oldest3, newest3, amount3,
    generation_length, gate_reason_length = struct.unpack(FORMAT, packed)
  local reason_at = NUMBERS_LENGTH + generation_length
  local orders_reason_at = reason_at + gate_reason_length
  state = {
    generation = string.sub(packed, NUMBERS_LENGTH + 1, reason_at),
    gate_reason = string.sub(packed, reason_at + 1, orders_reason_at),
    orders_gate_reason = string.sub(packed, orders_reason_at + 1),
    grants = grants, last = last, settled_at = settled_at, recovered_at = recovered_at,
    gate = gate, orders_gate = orders_gate,
    arrival = arrival, offset = offset, limits_until = limits_until, limits = { limit1, limit2, limit3 },
    logs = {
      { total = total1, oldest = oldest1, newest = newest1, amount = amount1 },
      { total = total2, oldest = oldest2, newest = newest2, amount = amount2 },
      { total = total3, oldest = oldest3, newest = newest3, amount = amount3 },
    },
  }
end

local function save()
  if not changed then
    return
  end
  local s, limits, first, second, third = state, state.limits, state.logs[1], state.logs[2], state.logs[3]
  redis.call('SET', KEYS[1], struct.pack(
    FORMAT, s.grants, s.last, s.settled_at, s.recovered_at, s.gate, s.orders_gate, s.arrival, s.offset, s.limits_until,
    limits[1], limits[2], limits[3],
    first.total, first.oldest, first.newest, first.amount, second.total, second.oldest, second.newest, second.amount,
    third.total, third.oldest, third.newest, third.amount,
    #s.generation, #s.gate_reason
  ) .. s.generation .. s.gate_reason .. s.orders_gate_reason)
end

local told
local function limit(counter)
  return told and state.limits[counter] or DEFAULTS[counter]
end

local function read(element)
  local release, amount = string.match(element, '^(%d+) (%d+)$')
  return tonumber(release), tonumber(amount)
end

-- Forget what has left the window; the total that still counts.
local function slide(counter)
  local log = state.logs[counter]
  if log.total == 0 or log.oldest > now then
    return log.total
  end
  changed = true
  while log.total > 0 do
    local element = redis.call('LINDEX', KEYS[counter + 1], 0)
    local release, amount = log.newest, log.amount
    if element then
      release, amount = read(element)
    end
    if release > now then
      log.oldest = release
      return log.total
    end
    if element then
      redis.call('LPOP', KEYS[counter + 1])
      log.total = log.total - amount
    else
      log.total, log.amount = 0, 0
    end
  end
  return log.total
end

local function add(counter, amount)
  local log, bucket = state.logs[counter], BUCKETS[counter]
  local release = (math.floor(now / bucket) + 1) * bucket + WINDOWS[counter] + SPREAD
  if log.total == 0 then
    log.oldest, log.newest, log.amount = release, release, 0
    redis.call('DEL', KEYS[counter + 1])
  elseif release > log.newest then
    if log.amount > 0 then
      redis.call('RPUSH', KEYS[counter + 1], string.format('%.0f %.0f', log.newest, log.amount))
    end
    log.newest, log.amount = release, 0
  end
  -- Never into a bucket before the newest: a clock that went back a little counts longer, not shorter.
  log.amount = log.amount + amount
  log.total = log.total + amount
  changed = true
end

-- Until when `amount` will have left the log.
local function released_at(counter, amount)
  local index = 0
  while true do
    local elements = redis.call('LRANGE', KEYS[counter + 1], index, index + 15)
    for _, element in ipairs(elements) do
      local release, part = read(element)
      amount = amount - part
      if amount <= 0 then
        return release
      end
    end
    if #elements < 16 then
      break
    end
    index = index + 16
  end
  local log = state.logs[counter]
  -- More than was ever taken: a request larger than the limit. It is asked again and never granted.
  return amount <= log.amount and log.newest or now + WINDOWS[counter]
end

local function answer(verdict, wait, reason)
  save()
  local logs = state.logs
  local gate_reason = state.gate > now and state.gate_reason or ''
  local orders_gate_reason = state.orders_gate > now and state.orders_gate_reason or ''
  return verdict .. struct.pack(
    '<dddddddddddddddd',
    wait, state.grants, logs[1].total, logs[2].total, logs[3].total, limit(1), limit(2), limit(3),
    math.max(0, state.limits_until - now), math.max(0, state.gate - now),
    math.max(0, state.orders_gate - now), now < state.recovered_at and 1 or 0,
    now, #state.generation, #gate_reason, #orders_gate_reason
  ) .. state.generation .. gate_reason .. orders_gate_reason .. reason
end

-- Not everything granted before this moment may be known here: entries wait `settle` for those who know, and until
-- `recovery` is over every process keeps to its share.
local function distrust(settle, recovery)
  state.settled_at = math.max(state.settled_at, now + settle)
  state.recovered_at = math.max(state.recovered_at, now + recovery)
  changed = true
end

-- A bucket of `burst`, one of it refilled every `each` (virtual scheduling); the next arrival, and when this one is free.
local function evenly(amount, burst, each)
  local arrival = math.max(state.arrival, now) + math.min(burst, amount) * each
  return arrival, arrival - burst * each
end

local function acquire()
  local orders = tonumber(ARGV[7])
  local cost = { tonumber(ARGV[6]), orders, orders }
  local entry, second = ARGV[8] == 'ENTRY', ARGV[8] == 'BOOKS' or ARGV[8] == 'PROTECTION'
  local share_wait = tonumber(ARGV[9]) -- 0: fits into the caller's share
  local gate, gate_reason = state.gate, state.gate_reason
  if orders > 0 and state.orders_gate > gate then
    gate, gate_reason = state.orders_gate, state.orders_gate_reason
  end
  if gate > now then
    return answer('W', gate - now, 'closed: ' .. gate_reason)
  end
  if state.settled_at > now then
    return answer('S', state.settled_at - now, 'settling')
  end
  local free_at, reason = now, nil
  if state.recovered_at > now and share_wait > 0 then
    -- Free earlier when recovery ends before the share is free again.
    free_at, reason = math.min(now + share_wait, state.recovered_at), 'share'
  end
  for counter = 1, 3 do
    if cost[counter] > 0 then
      local part, most = RESERVED[counter], limit(counter)
      local reserve = math.ceil(most * part[1] / part[2])
      -- Half of the reserve is never shared out: it is what processes live on when they cannot ask.
      local cap = most - math.floor(reserve / 2)
      if entry then
        cap = most - reserve
      elseif second then
        cap = most - math.ceil(reserve * 3 / 4)
      end
      local excess = slide(counter) + cost[counter] - cap
      if excess > 0 then
        local at = released_at(counter, excess)
        if at > free_at then
          free_at, reason = at, NAMES[counter]
        end
      end
    end
  end
  local arrival, at
  if not told then
    -- Before anybody has told the limits.
    arrival, at = evenly(math.max(1, cost[1], cost[2]), BURST, WINDOWS[1] / DEFAULTS[1])
    if entry and at > free_at then
      free_at, reason = at, 'burst'
    end
  elseif entry and orders > 0 then
    arrival, at = evenly(orders, ENTRY_BURST, ENTRY_SPREAD / math.max(1, limit(2)))
    if at > now and not reason then
      -- Everybody is told so at the same time: asking again for each single one would cost more than sending it.
      free_at, reason = math.max(at, now + ENTRY_SPREAD / 80), 'pace'
    end
  end
  if reason then
    return answer('W', free_at - now, reason)
  end
  for counter = 1, 3 do
    if cost[counter] > 0 then
      add(counter, cost[counter])
    end
  end
  state.arrival = arrival or state.arrival
  state.grants = state.grants + 1
  changed = true
  return answer('G', 0, '')
end

-- What will still count at `moment`, as far as it is less than `enough`.
local function counted_at(counter, moment, enough)
  local log, counted, index = state.logs[counter], 0, -1
  if log.total > 0 and log.newest >= moment then
    counted = log.amount
  end
  while counted < enough do
    local element = redis.call('LINDEX', KEYS[counter + 1], index)
    if not element then
      break
    end
    local release, amount = read(element)
    if release < moment then
      break
    end
    counted = counted + amount
    index = index - 1
  end
  return counted
end

-- used per counter, or ''
local function observe()
  for counter = 1, 3 do
    local used = tonumber(ARGV[5 + counter])
    if used then
      local window = WINDOWS[counter]
      local elapsed = (now + state.offset) % window
      -- A header may be older than the window we are in: believe it once that cannot be.
      if elapsed >= HEADER_AGE then
        slide(counter)
        -- What is not ours, or not known to be, must count until the exchange's window ends.
        local missing = used - counted_at(counter, now - elapsed + window, used)
        if missing > 0 then
          add(counter, missing)
        end
      end
    end
  end
  return answer('O', 0, '')
end

local function set_limits(given, valid)
  state.limits = { tonumber(given[1]), tonumber(given[2]), tonumber(given[3]) }
  state.limits_until = now + valid
  told, changed = true, true
end

-- weight, orders_10s, orders_1m, for how long they hold
local function limits()
  set_limits({ ARGV[6], ARGV[7], ARGV[8] }, tonumber(ARGV[9]))
  return answer('O', 0, '')
end

-- the exchange's clock
local function clock()
  state.offset, changed = tonumber(ARGV[6]) - now, true
  return answer('O', 0, '')
end

local function touch()
  for counter = 1, 3 do
    slide(counter)
  end
  return answer('O', 0, '')
end

local function parse_memory()
  local gate, orders_gate, weight, orders, entries, total1, total2, total3, limit1, limit2, limit3, valid, nonce,
    reason, orders_reason = string.match(
      ARGV[5],
      '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d*) (%d*) (%d*) (%d+) (%d+) (%d+) (%d+) (%S+) ([^\n]*)\n(.*)$'
    )
  return {
    gate = tonumber(gate), orders_gate = tonumber(orders_gate), weight = tonumber(weight), orders = tonumber(orders), entries = tonumber(entries),
    totals = { tonumber(total1), tonumber(total2), tonumber(total3) },
    limits = { limit1, limit2, limit3 }, valid = tonumber(valid), nonce = nonce,
    reason = reason, orders_reason = orders_reason,
  }
end

local known, known_grants, memory = ARGV[3], tonumber(ARGV[4]), nil
if ARGV[5] ~= '' then
  memory = parse_memory()
end

if not state then
  if not memory then
    return 'M' -- nothing is known here: tell what you remember
  end
  local function empty()
    return { total = 0, oldest = 0, newest = 0, amount = 0 }
  end
  state = {
    generation = string.format('%.0f-', now) .. memory.nonce,
    grants = 0, last = now, settled_at = 0, recovered_at = 0, arrival = 0, offset = 0,
    gate = 0, gate_reason = '', orders_gate = 0, orders_gate_reason = '',
    limits = DEFAULTS, limits_until = 0, logs = { empty(), empty(), empty() },
  }
  distrust(SETTLE, PROBATION)
end
told = now < state.limits_until

if state.last - now > 1000000 then
  -- The clock was set back: count everything from now on again rather than until a time far away.
  for counter = 1, 3 do
    local log = state.logs[counter]
    local total = log.total
    log.total = 0
    if total > 0 then
      add(counter, total)
    end
  end
  state.arrival, state.settled_at, state.recovered_at, state.last = now, now, now, now
  distrust(0, RECOVERY)
elseif now - state.last > LONGEST + SPREAD then
  -- Nobody was here for a whole window: idle, or all were cut off and lived on their shares. Those will tell soon.
  distrust(0, PROBATION)
  state.last = now
elseif now - state.last > 1000000 then
  state.last, changed = now, true
end

local forgotten = known ~= '' and (known ~= state.generation or known_grants > state.grants)
if forgotten and not (memory and memory.totals[1]) then
  save()
  return 'M'
end
if forgotten then
  -- The caller saw a state that is lost (flushed, or restarted from an older file): take over what it saw.
  distrust(SETTLE, RECOVERY)
  for counter = 1, 3 do
    local missing = memory.totals[counter] - slide(counter)
    if missing > 0 then
      add(counter, missing)
    end
  end
  state.grants = math.max(state.grants, known_grants)
end
if memory then
  if memory.gate > 0 and now + memory.gate > state.gate then
    state.gate, state.gate_reason, changed = now + memory.gate, memory.reason, true
  end
  if memory.orders_gate > 0 and now + memory.orders_gate > state.orders_gate then
    state.orders_gate, state.orders_gate_reason, changed = now + memory.orders_gate, memory.orders_reason, true
  end
  if memory.valid > 0 and not told then
    set_limits(memory.limits, memory.valid)
  end
  local taken = { memory.weight, memory.orders, memory.orders }
  for counter = 1, 3 do
    if taken[counter] > 0 then
      slide(counter)
      add(counter, taken[counter])
    end
  end
  if memory.entries > 0 then
    -- Whoever took entries alone was not the only one: the others' are told or out of the window by then.
    distrust(0, RECOVERY)
  end
end

local operations = { acquire = acquire, observe = observe, limits = limits, clock = clock, touch = touch }
return operations[ARGV[1]]()
