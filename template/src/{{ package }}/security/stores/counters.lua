-- The login counters of RedisStore: a hash each, with a field "a:NAME" for each attempt that is being
-- decided. ARGV[1] names the function to run; the server runs nothing else meanwhile. ARGV[2] is the
-- caller's time, which alone decides what is over; a time to live only collects it.
-- The rules are those of counting.py, which says why.
local call, match, run, now = redis.call, string.match, {}, ARGV[2] + 0
local attempt, reserved = ARGV[3], ARGV[4] + 0

local function length(rule, count)
  local blocks = math.floor(count / rule.limit)
  if blocks == 0 then return 0 end
  return math.min(rule.block * 2 ^ math.min(blocks - 1, 32), rule.max_block)
end

-- Returns the rule of ARGV[i + 5], "judges limit window block max_block label", and the tally.
local function load(i)
  local rule, tally = {}, {count = 0, till = 0, expires = 0, attempts = {}, others = 0}
  local judges, limit, window, block, max_block, label =
    match(ARGV[i + 5], '^(%d) (%d+) (%d+) (%d+) (%d+) (.*)$')
  rule.judges, rule.limit, rule.window = judges == '1', limit + 0, window + 0
  rule.block, rule.max_block, rule.label = block + 0, max_block + 0, label
  local fields = call('HGETALL', KEYS[i])
  tally.stored = #fields > 0
  for n = 1, #fields, 2 do
    local name, value = fields[n], tonumber(fields[n + 1])
    local id = match(name, '^a:(.*)$')
    if not id then
      tally[name] = value or tally[name]
    elseif math.abs(now - value) < reserved then
      tally.attempts[id] = value
      if id ~= attempt then tally.others = tally.others + 1 end
    end
  end
  if tally.expires <= now then tally.count, tally.till = 0, 0 end
  if rule.block > 0 then tally.till = math.min(tally.till, now + length(rule, tally.count)) end
  tally.expires = math.min(tally.expires, math.max(now, tally.till) + rule.window)
  return rule, tally
end

local function save(i, rule, tally)
  if tally.count == 0 then
    tally.expires = next(tally.attempts) and now + reserved or now
  end
  -- Fields that are over must not stay.
  if tally.stored then call('DEL', KEYS[i]) end
  if tally.expires <= now then return end
  -- All are whole numbers, which the server writes as such.
  local fields = {
    'label', rule.label, 'count', tally.count, 'till', tally.till, 'expires', tally.expires
  }
  local n = #fields
  for id, began in pairs(tally.attempts) do
    fields[n + 1], fields[n + 2] = 'a:' .. id, began
    n = n + 2
  end
  call('HSET', KEYS[i], unpack(fields))
  call('EXPIRE', KEYS[i], tally.expires - now)
end

-- KEYS: counters. ARGV: now, attempt, seconds that it may take, '', then the rule of each.
function run.reserve()
  local wait, full, rows = 0, false, {}
  for i = 1, #KEYS do
    local rule, tally = load(i)
    local failures = tally.count
    if rule.block > 0 then
      wait = math.max(wait, tally.till - now)
      failures = tally.count % rule.limit
    elseif tally.count >= rule.limit then
      wait = math.max(wait, tally.expires - now)
    end
    full = full or failures + tally.others >= rule.limit
    rows[i] = {rule, tally}
  end
  if wait == 0 and full then return -1 end
  for i, row in ipairs(rows) do
    if wait == 0 then row[2].attempts[attempt] = now end
    save(i, row[1], row[2])
  end
  return wait
end

-- KEYS: counters. ARGV: now, attempt, seconds that it might take, outcome, then the rule of each.
function run.settle()
  local outcome = ARGV[5]
  for i = 1, #KEYS do
    local rule, tally = load(i)
    if rule.judges or outcome == 'failed' or outcome == 'forgiven' then
      tally.attempts[attempt] = nil
      if outcome == 'failed' then
        tally.count = tally.count + 1
        if rule.block > 0 then
          if tally.count % rule.limit == 0 then tally.till = now + length(rule, tally.count) end
          tally.expires = math.max(now, tally.till) + rule.window
        elseif tally.count == 1 then
          tally.expires = now + rule.window
        end
      elseif rule.block > 0 and outcome ~= 'withdrawn' then
        tally.count, tally.till = 0, 0
      elseif outcome == 'forgiven' then
        tally.count = math.max(0, tally.count - 1)
      end
      save(i, rule, tally)
    end
  end
end

return run[ARGV[1]]()
