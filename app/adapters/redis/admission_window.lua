-- The admission window: every operation is one run of this script, so it is atomic.
-- KEYS  1 ranking  sorted set of members, all with score 0: the order is the byte order of the members
--       2 members  hash: signal id -> member
--       3 expiry   sorted set: signal id -> expires_at (microseconds since 1970; below 2^53, so exact)
--       4 counters hash
--       5 expired  list: ids that expired and that nobody was told of yet
-- A member is 19 digits of (10^18 - confidence * 10^18), 17 digits of received_at in microseconds, 16 digits of
-- arrival number, then the signal id: byte order is best first, then older first, then arrival.
-- ARGV  1 operation, then what it needs.
local RANKING, MEMBERS, EXPIRY, COUNTERS, EXPIRED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local RANK_LENGTH = 19 + 17
local PREFIX_LENGTH = RANK_LENGTH + 16
local EXPIRED_AT_ONCE_MAX = 1000
local EXPIRED_UNTOLD_MAX = 10000

local counts = {}
local function count(name)
  counts[name] = (counts[name] or 0) + 1
end
local function write_counts()
  for name, increment in pairs(counts) do
    redis.call('HINCRBY', COUNTERS, name, increment)
  end
end

local function id_of(member)
  return string.sub(member, PREFIX_LENGTH + 1)
end

local function tell_expired(id)
  redis.call('RPUSH', EXPIRED, id)
  count('expired')
end

local function expire(now)
  local ids = redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', now, 'LIMIT', 0, EXPIRED_AT_ONCE_MAX)
  for _, id in ipairs(ids) do
    redis.call('ZREM', RANKING, redis.call('HGET', MEMBERS, id))
    redis.call('HDEL', MEMBERS, id)
    redis.call('ZREM', EXPIRY, id)
    tell_expired(id)
  end
  if #ids > 0 then
    redis.call('LTRIM', EXPIRED, -EXPIRED_UNTOLD_MAX, -1)
  end
end

-- Which of the offered ids are queued, asked once: a call from Lua costs more than what most commands do.
local function queued_among_offers()
  local ids = {}
  for index = 5, #ARGV, 3 do
    ids[#ids + 1] = ARGV[index]
  end
  local is_queued = {}
  for number, member in ipairs(redis.call('HMGET', MEMBERS, unpack(ids))) do
    is_queued[ids[number]] = member ~= false
  end
  return is_queued
end

-- Make known what an offer changed, a command for all of them. `changed`: id -> its member, false for one that is gone.
local function write_changes(changed, expiries)
  local entered, expiring, gone = {}, {}, {}
  for id, member in pairs(changed) do
    if member then
      entered[#entered + 1], entered[#entered + 2] = id, member
      expiring[#expiring + 1], expiring[#expiring + 2] = expiries[id], id
    else
      gone[#gone + 1] = id
    end
  end
  if #gone > 0 then
    redis.call('HDEL', MEMBERS, unpack(gone))
    redis.call('ZREM', EXPIRY, unpack(gone))
  end
  if #entered > 0 then
    redis.call('HSET', MEMBERS, unpack(entered))
    redis.call('ZADD', EXPIRY, unpack(expiring))
  end
end

-- now, capacity, then per offer: rank (36 digits), signal id, expires_at
-- -> per offer one string: Q queued, R<evicted id> replaced, D dropped, E expired, A already queued
local function offer()
  local now, capacity = ARGV[2], tonumber(ARGV[3])
  expire(now)
  local occupancy = redis.call('ZCARD', RANKING)
  -- A capacity that was lowered since the last offer: the worst go.
  while occupancy > capacity do
    local worst = id_of(redis.call('ZPOPMAX', RANKING)[1])
    redis.call('HDEL', MEMBERS, worst)
    redis.call('ZREM', EXPIRY, worst)
    count('evicted')
    occupancy = occupancy - 1
  end
  local arrival = tonumber(redis.call('HGET', COUNTERS, 'received') or 0)
  local is_queued = queued_among_offers()
  local answers, worst_rank = {}, nil
  local changed, expiries = {}, {}
  for index = 4, #ARGV, 3 do
    local rank, id, expires_at = ARGV[index], ARGV[index + 1], ARGV[index + 2]
    local answer
    if is_queued[id] then
      answer = 'A'
    else
      arrival = arrival + 1
      count('received')
      if tonumber(expires_at) <= tonumber(now) then
        count('expired')
        answer = 'E'
      else
        if occupancy == capacity and not worst_rank then
          worst_rank = string.sub(redis.call('ZRANGE', RANKING, -1, -1)[1], 1, RANK_LENGTH)
        end
        -- Digits of one length: Lua compares them alike in every locale. As good as the worst is worse: it came later.
        if occupancy == capacity and rank >= worst_rank then
          answer = 'D'
          count('dropped')
        else
          local member = rank .. string.format('%016.0f', arrival) .. id
          answer = 'Q'
          if occupancy < capacity then
            occupancy = occupancy + 1
          else
            local worst = id_of(redis.call('ZPOPMAX', RANKING)[1])
            count('evicted')
            is_queued[worst], changed[worst] = false, false
            answer, worst_rank = 'R' .. worst, nil
          end
          redis.call('ZADD', RANKING, 0, member)
          is_queued[id], changed[id], expiries[id] = true, member, expires_at
          count('queued')
        end
      end
    end
    answers[#answers + 1] = answer
  end
  write_changes(changed, expiries)
  write_counts()
  return answers
end

-- now, count -> {ids best first, ids that expired since somebody was last told}
local function pop_best()
  local now, wanted = ARGV[2], tonumber(ARGV[3])
  expire(now)
  local ids = {}
  while #ids < wanted do
    local member = redis.call('ZPOPMIN', RANKING)[1]
    if not member then
      break
    end
    local id = id_of(member)
    local expires_at = redis.call('ZSCORE', EXPIRY, id)
    redis.call('HDEL', MEMBERS, id)
    redis.call('ZREM', EXPIRY, id)
    -- More may have expired at once than one run removes.
    if tonumber(expires_at) <= tonumber(now) then
      tell_expired(id)
    else
      ids[#ids + 1] = id
      count('dispatched')
    end
  end
  write_counts()
  local expired = redis.call('LRANGE', EXPIRED, 0, -1)
  redis.call('DEL', EXPIRED)
  return { ids, expired }
end

-- signal ids
local function remove()
  for index = 2, #ARGV do
    local member = redis.call('HGET', MEMBERS, ARGV[index])
    if member then
      redis.call('ZREM', RANKING, member)
      redis.call('HDEL', MEMBERS, ARGV[index])
      redis.call('ZREM', EXPIRY, ARGV[index])
    end
  end
end

local function status()
  return { redis.call('ZCARD', RANKING), redis.call('HGETALL', COUNTERS) }
end

local operations = { offer = offer, pop_best = pop_best, remove = remove, status = status }
return operations[ARGV[1]]()
