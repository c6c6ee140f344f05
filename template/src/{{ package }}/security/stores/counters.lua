-- The login counters of RedisStore, each the string "count until expires". ARGV[1] names the function
-- to run; the server runs nothing else meanwhile. ARGV[2] is the caller's time, which alone decides
-- whether a counter has expired; its time to live only collects it.
local call, match, run, now = redis.call, string.match, {}, ARGV[2] + 0

local function parse(text)
  if text then
    local count, till, expires = match(text, '^(%d+) (%d+) (%d+)$')
    if expires + 0 > now then return count + 0, till + 0, expires + 0 end
  end
  return 0, 0, nil
end

local function save(key, count, till, expires)
  call('SET', key, string.format('%d %d %d', count, till, expires), 'EX', expires - now)
end

-- KEYS: counters. ARGV: now, then "limit window block max_block" of each.
function run.reserve()
  local wait, rows = 0, {}
  for i, text in ipairs(call('MGET', unpack(KEYS))) do
    local limit, window, block, max_block = match(ARGV[i + 2], '^(%d+) (%d+) (%d+) (%d+)$')
    limit, block = limit + 0, block + 0
    local count, till, expires = parse(text)
    expires = expires or now + window
    if block > 0 then
      wait = math.max(wait, till - now)
    elseif count >= limit then
      wait = math.max(wait, expires - now)
    end
    count = count + 1
    if block > 0 then
      if count % limit == 0 then
        till = now + math.min(block * 2 ^ (count / limit - 1), max_block + 0)
      end
      expires = math.max(now, till) + window
    end
    rows[i] = {count, till, expires}
  end
  if wait > 0 then return wait end
  for i, row in ipairs(rows) do save(KEYS[i], row[1], row[2], row[3]) end
  return 0
end

-- KEYS: counters. ARGV: now, then block of each.
function run.release()
  for i, key in ipairs(KEYS) do
    local count, _, expires = parse(call('GET', key))
    if ARGV[i + 2] == '0' and count > 1 then
      save(key, count - 1, 0, expires)
    elseif ARGV[i + 2] ~= '0' or count == 1 then
      call('DEL', key)
    end
  end
end

return run[ARGV[1]]()
