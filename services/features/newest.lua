-- Writes features of entities, each only where no newer payment's are held: one atomic step.
-- KEYS: one an entity. ARGV: seconds to live; then for each key event_time, offset and the JSON text,
-- which begins with these two. Returns how many were written.
-- Numbers, not texts, are compared: both lie far below 2^53, and text order depends on the locale.
local written = 0
for i, key in ipairs(KEYS) do
  local at = 3 * i - 1
  local held = redis.call('GETRANGE', key, 0, 63)
  local held_time, held_offset = string.match(held, '^{"event_time":(%-?%d+),"offset":(%d+),')
  local event_time, offset = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  held_time, held_offset = tonumber(held_time or ''), tonumber(held_offset or '')
  if not held_time or event_time > held_time or (event_time == held_time and offset >= held_offset) then
    redis.call('SET', key, ARGV[at + 2], 'EX', ARGV[1])
    written = written + 1
  end
end
return written
