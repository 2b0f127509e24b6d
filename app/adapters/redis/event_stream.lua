-- Publish events: consecutive sequence numbers, nothing twice, the stream trimmed.
-- KEYS  1 sequence  the newest sequence number
--       2 stream    entries with id "<sequence>-0" and one field
--       3 recent    sorted set: event id -> sequence, of the events published last, more than the stream holds
-- ARGV  1 how many the stream keeps
--       2 how many ids are remembered
--       3 "begin" when the server may have lost the end of the stream: numbers go on far above, and readers see a gap
--         "restore" to publish what it may have lost
--       then per event: its id, its text
-- -> {first sequence, how many were new}; {-1, 0} for a stream that was flushed and not begun again
local keep, remember, mode = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local newest = tonumber(redis.call('GET', KEYS[1]))
if not newest and mode == '' then
  return { -1, 0 }
end
if not newest or mode == 'begin' then
  -- Never used, flushed, or restarted: from the microseconds since 1970, which no rate of events outruns, so that
  -- numbers never go back and a reader sees a jump. (Below 2^53 until the year 2255: exact here and in a browser.)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
  -- Those that found the server restarted at the same moment need one jump; no restart takes less than 0.1 s.
  if not newest or now - newest > 100000 then
    newest = now
  end
end
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if last then
  -- The counter was lost or is older than the stream: never behind what is there.
  newest = math.max(newest, tonumber(string.match(last[1], '^%d+')))
end
local first, added = newest + 1, 0
for index = 4, #ARGV, 2 do
  local id = ARGV[index]
  if not redis.call('ZSCORE', KEYS[3], id) then
    newest = newest + 1
    added = added + 1
    local sequence = string.format('%.0f', newest)
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', keep, sequence .. '-0', 'event', ARGV[index + 1])
    redis.call('ZADD', KEYS[3], sequence, id)
  end
end
if added > 0 or mode == 'begin' then
  redis.call('SET', KEYS[1], string.format('%.0f', newest))
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -(remember + 1))
end
return { first, added }
