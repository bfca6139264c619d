-- Writes features of entities, each only where no newer payment's are held: one atomic step.
-- KEYS: one an entity. ARGV: seconds to live, partition, features_version; then for each key
-- event_time, offset and the features as JSON. Returns how many were written.
-- Numbers, not texts, are compared: both lie far below 2^53, and text order depends on the locale.
local written = 0
for i, key in ipairs(KEYS) do
  local at = 3 * i + 1
  local held = redis.call('HMGET', key, 'event_time', 'offset')
  local event_time, offset = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local held_time, held_offset = tonumber(held[1] or ''), tonumber(held[2] or '')
  if not held_time or not held_offset or event_time > held_time
    or (event_time == held_time and offset >= held_offset) then
    redis.call('HSET', key, 'event_time', ARGV[at], 'partition', ARGV[2], 'offset', ARGV[at + 1],
      'features_version', ARGV[3], 'features', ARGV[at + 2])
    redis.call('EXPIRE', key, ARGV[1])
    written = written + 1
  end
end
return written
