-- The login counters of RedisStore: a text each, "count until expires label", then a line
-- "began NAME" for each attempt that is being decided; label and name have no line break.
-- ARGV[1] is "function now reserved outcome", the latter for `settle` alone; the server runs nothing
-- else meanwhile. `now` is the caller's time, which alone decides what is over; a time to live only
-- collects it. ARGV[2] is the attempt, and then comes the rule of each of KEYS.
-- The rules are those of counting.py, which says why.
local call, match = redis.call, string.match
local name, now, reserved, outcome = match(ARGV[1], '^(%a+) (%d+) (%d+) (%a*)$')
local attempt = ARGV[2]
now, reserved = now + 0, reserved + 0

local function length(row)
  local blocks = math.floor(row.count / row.limit)
  if blocks == 0 then return 0 end
  return math.min(row.block * 2 ^ math.min(blocks - 1, 32), row.max_block)
end

-- Returns what is known under KEYS[i], with its rule, "judges limit window block max_block label".
local function load(i)
  local row = {count = 0, till = 0, expires = 0, others = 0, lines = ''}
  local judges, limit, window, block, max_block, label =
    match(ARGV[i + 2], '^(%d) (%d+) (%d+) (%d+) (%d+) (.*)$')
  row.judges, row.limit, row.window = judges == '1', limit + 0, window + 0
  row.block, row.max_block, row.label = block + 0, max_block + 0, label
  local stored = call('GET', KEYS[i])
  if not stored then return row end
  row.stored = true
  local count, till, expires = match(stored, '^(%d+) (%d+) (%d+) ')
  row.count, row.till, row.expires = count + 0, till + 0, expires + 0
  for began, id in string.gmatch(stored, '\n(%d+) ([^\n]*)') do
    if math.abs(now - began) < reserved then
      if id == attempt then
        row.began = began
      else
        row.others, row.lines = row.others + 1, row.lines .. '\n' .. began .. ' ' .. id
      end
    end
  end
  if row.expires <= now then row.count, row.till = 0, 0 end
  if row.block > 0 then row.till = math.min(row.till, now + length(row)) end
  row.expires = math.min(row.expires, math.max(now, row.till) + row.window)
  return row
end

local function save(i, row)
  local lines = row.lines
  if row.began then lines = lines .. '\n' .. row.began .. ' ' .. attempt end
  if row.count == 0 then row.expires = lines ~= '' and now + reserved or now end
  if row.expires > now then
    local text = row.count .. ' ' .. row.till .. ' ' .. row.expires .. ' ' .. row.label .. lines
    call('SET', KEYS[i], text, 'EX', row.expires - now)
  elseif row.stored then
    call('DEL', KEYS[i])
  end
end

local function reserve()
  local wait, full, rows = 0, false, {}
  for i = 1, #KEYS do
    local row = load(i)
    local failures = row.count
    if row.block > 0 then
      wait = math.max(wait, row.till - now)
      failures = row.count % row.limit
    elseif row.count >= row.limit then
      wait = math.max(wait, row.expires - now)
    end
    full = full or failures + row.others >= row.limit
    rows[i] = row
  end
  if wait == 0 and full then return -1 end
  for i, row in ipairs(rows) do
    if wait == 0 then row.began = now end
    save(i, row)
  end
  return wait
end

local function settle()
  for i = 1, #KEYS do
    local row = load(i)
    if row.judges or outcome == 'failed' or outcome == 'forgiven' then
      row.began = nil
      if outcome == 'failed' then
        row.count = row.count + 1
        if row.block > 0 then
          if row.count % row.limit == 0 then row.till = now + length(row) end
          row.expires = math.max(now, row.till) + row.window
        elseif row.count == 1 then
          row.expires = now + row.window
        end
      elseif row.block > 0 and outcome ~= 'withdrawn' then
        row.count, row.till = 0, 0
      elseif outcome == 'forgiven' then
        row.count = math.max(0, row.count - 1)
      end
      save(i, row)
    end
  end
end

if name == 'reserve' then return reserve() end
return settle()
