-- The sessions of RedisStore: a hash per session, and per user a sorted set of the hashes' keys by
-- expiry. ARGV[1] names the function to run; the server runs nothing else meanwhile.
local call, run = redis.call, {}

-- KEYS: session, replaced session or '', index and epoch of the user. ARGV: index prefix, seconds to
-- live, expires, wanted epoch or '', then fields and values. Returns 0, having changed nothing, where
-- the replaced session is gone or the epoch is another one. A repeated call finds its own session. An
-- entry outlives its session by an hour, in case two clocks disagree.
function run.put()
  if call('EXISTS', KEYS[1]) == 0 then
    if ARGV[5] ~= '' and (call('GET', KEYS[4]) or '0') ~= ARGV[5] then return 0 end
    if KEYS[2] ~= '' and run.delete(KEYS[2]) == 0 then return 0 end
  else
    run.delete(KEYS[1])
  end
  call('HSET', KEYS[1], unpack(ARGV, 6))
  call('EXPIRE', KEYS[1], ARGV[3])
  local ttl = ARGV[3] + 3600
  call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[4] - ttl)
  call('ZADD', KEYS[3], ARGV[4], KEYS[1])
  if call('TTL', KEYS[3]) < ttl then call('EXPIRE', KEYS[3], ttl) end
  return 1
end

-- KEYS: session. ARGV: fields and values.
function run.update()
  if call('EXISTS', KEYS[1]) == 0 then return 0 end
  call('HSET', KEYS[1], unpack(ARGV, 2))
  return 1
end

-- KEYS: session. ARGV: index prefix.
function run.delete(key)
  key = key or KEYS[1]
  local user = call('HGET', key, 'user')
  if user then call('ZREM', ARGV[2] .. user, key) end
  return call('DEL', key)
end

-- KEYS: index of the user. ARGV: fields.
function run.of_user()
  local rows = {}
  for _, key in ipairs(call('ZRANGE', KEYS[1], 0, -1)) do
    local row = call('HMGET', key, unpack(ARGV, 2))
    if row[1] then rows[#rows + 1] = {key, row} else call('ZREM', KEYS[1], key) end
  end
  return rows
end

-- KEYS: index of the user, session to keep, epoch of the user. ARGV: seconds to remember the epoch.
function run.delete_of_user()
  local deleted = 0
  call('INCR', KEYS[3])
  call('EXPIRE', KEYS[3], ARGV[2])
  for _, key in ipairs(call('ZRANGE', KEYS[1], 0, -1)) do
    if key ~= KEYS[2] then
      deleted = deleted + call('DEL', key)
      call('ZREM', KEYS[1], key)
    end
  end
  return deleted
end

return run[ARGV[1]]()
