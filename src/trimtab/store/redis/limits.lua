-- Rates, slots and budgets that many workers share, and what the newest of them knows to be stopped.
--
--   hold    KEYS flags, request, one per need
--           ARGV 'hold' now rid lease_us seq host n scope*n, then per need: kind size amount full tick
--           -> {'held', left...} | {'denied', index, wait_us or -1, fits later, room} | {'stopped', index}
--              | {'unknown', index}
--   settle  KEYS request, one per need
--           ARGV 'settle' now rid keep_us host, then per need: kind size back full tick used
--   renew   KEYS request, one per need      ARGV 'renew' now rid lease_us host, then per need: kind amount
--   prime   KEYS window                     ARGV 'prime' now host spent end_ms lease_us, then rid amount
--   look    KEYS window                     ARGV 'look' now host
--           -> {} | {spent, held, booked of the host, spent and held as their parts say, {rid, 1 within its lease...}}
--   mend    KEYS window                     ARGV 'mend' now host more keep_us, then rid -> 1, or 0: it moved
--   stop    KEYS flags                      ARGV 'stop' seq, then scope, until_us or ''
--
-- Time is Redis's own, in microseconds, unless the caller of a test says it. A bucket of `size`
-- units refills in `full` ticks of `tick` microseconds; `rem` counts shares of a unit, `full` of
-- them. The caller sees to it that size x full stays below 2^52, so every number here is exact.
--
-- A window is a hash: `spent`, `held`, `h:HOST` what was booked of a host, there once its ledger was
-- counted in, `n:RID` what a request of which host holds, `o:RID` the same of one whose lease ended.
-- `spent` is the sum of all h and o, `held` that of all n. `d:RID` was booked from the ledger: what
-- its worker may still send is not booked again. Its `:leases` say when these end.
-- Before the ledger of a host was counted in, nothing of that host is booked: the ledger has it.
-- A kind that ends in `!` only counts and never refuses.

local verb = ARGV[1]

if verb == 'stop' then
  local known = tonumber(redis.call('HGET', KEYS[1], 'seq') or -1)
  local seq = tonumber(ARGV[2])
  if seq < known then return 0 end
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'seq', ARGV[2])
  for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], 's:' .. ARGV[i], ARGV[i + 1]) end
  return 1
end

local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local rid = ARGV[3]

local function text(number) return string.format('%.0f', number) end

local function whole(number, divisor)
  local rest = math.fmod(number, divisor)
  return (number - rest) / divisor, rest
end

local function milliseconds(us) return text(math.ceil(us / 1000)) end

-- Frees the slots whose leases have ended; gives how many are free.
local function slots_left(key, size)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
  return size - redis.call('ZCARD', key)
end

local function take_slot(key, lease_us)
  redis.call('ZADD', key, text(now + lease_us), rid)
  redis.call('PEXPIRE', key, milliseconds(2 * lease_us))
end

-- Gives the balance now, the shares beyond it, and the instant up to which they are counted.
local function refilled(key, size, full, tick)
  local was = redis.call('HMGET', key, 'bal', 'rem', 'full', 'ts')
  if not was[1] then return size, 0, now end
  local balance, shares, ts = tonumber(was[1]), tonumber(was[2]), tonumber(was[4])
  if was[3] ~= text(full) then shares = math.floor(shares * full / tonumber(was[3])) end
  local ticks, part = whole(math.max(now - ts, 0), tick)
  local times, rest = whole(ticks, full)
  local gained
  gained, shares = whole(shares + rest * size, full)
  balance = balance + times * size + gained
  if balance >= size then balance, shares = size, 0 end
  return balance, shares, math.max(now, ts) - part
end

local function keep(key, size, full, tick, balance, shares, ts)
  redis.call('HSET', key, 'bal', text(balance), 'rem', text(shares), 'full', text(full), 'ts', text(ts))
  -- Twice the time to full: a key that died early would be a full bucket for nothing.
  redis.call('PEXPIRE', key, milliseconds((2 + math.max(-balance, 0) / size) * full * tick))
end

local function minus(amount) return amount == '0' and '0' or '-' .. amount end

local function leases(key) return key .. ':leases' end

local function amount_of(value) return string.match(value, '^%d+') end

-- A request that died with its worker is charged what it held, until its own settlement comes.
local function orphan(key)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', leases(key), '-inf', text(now), 'LIMIT', 0, 100)) do
    local held = redis.call('HGET', key, 'n:' .. gone)
    redis.call('ZREM', leases(key), gone)
    if held then
      redis.call('HINCRBY', key, 'held', minus(amount_of(held)))
      redis.call('HINCRBY', key, 'spent', amount_of(held))
      redis.call('HDEL', key, 'n:' .. gone)
      redis.call('HSET', key, 'o:' .. gone, held)
    else
      redis.call('HDEL', key, 'd:' .. gone)
    end
  end
end

local function hold_money(key, request, host, amount, lease_us)
  if redis.call('HEXISTS', key, 'd:' .. request) == 1 then return end
  if redis.call('HSETNX', key, 'n:' .. request, amount .. ' ' .. host) == 1 then
    redis.call('HINCRBY', key, 'held', amount)
  end
  redis.call('ZADD', leases(key), text(now + lease_us), request)
end

local function book(key, host, amount)
  redis.call('HINCRBY', key, 'h:' .. host, amount)
  redis.call('HINCRBY', key, 'spent', amount)
end

local function spend_money(key, host, amount)
  local held, orphaned = unpack(redis.call('HMGET', key, 'n:' .. rid, 'o:' .. rid))
  if held then
    redis.call('HINCRBY', key, 'held', minus(amount_of(held)))
  elseif orphaned then
    redis.call('HINCRBY', key, 'spent', minus(amount_of(orphaned)))
  end
  redis.call('HDEL', key, 'n:' .. rid, 'o:' .. rid)
  redis.call('ZREM', leases(key), rid)
  if redis.call('HDEL', key, 'd:' .. rid) == 1 then return end
  -- Whether or not it is known to be held: it was spent.
  if redis.call('HEXISTS', key, 'h:' .. host) == 1 then book(key, host, amount) end
end

-- Gives what `spent` and `held` must be, and the requests of a host that hold something.
local function parts(key, host)
  local spent, held, requests = 0, 0, {}
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local kind, name, value = string.sub(all[i], 1, 2), string.sub(all[i], 3), all[i + 1]
    if kind == 'h:' then spent = spent + tonumber(value) end
    if kind == 'n:' then held = held + tonumber(amount_of(value)) end
    if kind == 'o:' then spent = spent + tonumber(amount_of(value)) end
    if (kind == 'n:' or kind == 'o:') and string.match(value, ' (.*)$') == host then
      requests[#requests + 1] = name
      requests[#requests + 1] = kind == 'n:' and 1 or 0
    end
  end
  return spent, held, requests
end

if verb == 'prime' then
  local key, host = KEYS[1], ARGV[3]
  if redis.call('HSETNX', key, 'h:' .. host, ARGV[4]) == 0 then return 0 end
  redis.call('HINCRBY', key, 'spent', ARGV[4])
  for i = 7, #ARGV, 2 do hold_money(key, ARGV[i], host, ARGV[i + 1], tonumber(ARGV[6])) end
  redis.call('PEXPIREAT', key, ARGV[5])
  return 1
end

if verb == 'look' then
  local key, host = KEYS[1], ARGV[3]
  orphan(key)
  local booked = redis.call('HGET', key, 'h:' .. host)
  if not booked then return {} end
  local spent, held, requests = parts(key, host)
  local is = redis.call('HMGET', key, 'spent', 'held')
  return {is[1] or '0', is[2] or '0', booked, text(spent), text(held), requests}
end

if verb == 'mend' then
  local key, host = KEYS[1], ARGV[3]
  if redis.call('HEXISTS', key, 'h:' .. host) == 0 then return 0 end
  for i = 6, #ARGV do
    local holds = redis.call('HMGET', key, 'n:' .. ARGV[i], 'o:' .. ARGV[i])
    if not (holds[1] or holds[2]) then return 0 end
  end
  for i = 6, #ARGV do
    redis.call('HDEL', key, 'n:' .. ARGV[i], 'o:' .. ARGV[i])
    redis.call('HSET', key, 'd:' .. ARGV[i], '1')
    redis.call('ZADD', leases(key), text(now + tonumber(ARGV[5])), ARGV[i])
  end
  redis.call('HINCRBY', key, 'h:' .. host, ARGV[4])
  local spent, held = parts(key, host)
  redis.call('HSET', key, 'spent', text(spent), 'held', text(held))
  return 1
end

local function need(at)
  local kind, enforced = ARGV[at], true
  if string.sub(kind, -1) == '!' then kind, enforced = string.sub(kind, 1, -2), false end
  return kind, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), enforced
end

if verb == 'renew' then
  if redis.call('GET', KEYS[1]) == '0' then return 0 end
  local lease_us = tonumber(ARGV[4])
  redis.call('SET', KEYS[1], '1', 'PX', milliseconds(2 * lease_us))
  for i = 2, #KEYS do
    local kind, amount = ARGV[6 + (i - 2) * 2], ARGV[7 + (i - 2) * 2]
    if kind == 'slots' then take_slot(KEYS[i], lease_us) end
    if kind == 'window' then hold_money(KEYS[i], rid, ARGV[5], amount, lease_us) end
  end
  return 1
end

if verb == 'settle' then
  local state = redis.call('GET', KEYS[1])
  -- From now on a hold that is still on its way, on a connection that was given up, takes nothing.
  redis.call('SET', KEYS[1], '0', 'PX', milliseconds(tonumber(ARGV[4])))
  if state == '0' then return 0 end
  for i = 2, #KEYS do
    local at = 6 + (i - 2) * 6
    local kind, size, back, full, tick = need(at)
    if kind == 'slots' then
      redis.call('ZREM', KEYS[i], rid)
    elseif kind == 'window' then
      spend_money(KEYS[i], ARGV[5], ARGV[at + 5])
    elseif back ~= 0 and state == '1' then
      local balance, shares, ts = refilled(KEYS[i], size, full, tick)
      keep(KEYS[i], size, full, tick, balance + back, shares, ts)
    end
  end
  return 1
end

local lease_us, seq, host, scopes = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local first = 8 + scopes

if scopes > 0 then
  local newest = redis.call('HGET', KEYS[1], 'seq')
  if newest and tonumber(newest) > seq then
    for i = 1, scopes do
      local ends = redis.call('HGET', KEYS[1], 's:' .. ARGV[7 + i])
      if ends and (ends == '' or tonumber(ends) > now) then return {'stopped', i - 1} end
    end
  end
end

local known = redis.call('EXISTS', KEYS[2]) == 1
local answer, found = {'held'}, {}
for i = 3, #KEYS do
  local kind, size, amount, full, tick, enforced = need(first + (i - 3) * 5)
  if known then amount, enforced = 0, false end
  if kind == 'slots' then
    local left = slots_left(KEYS[i], size)
    if left < amount and enforced then return {'denied', i - 3, -1, 0} end
    answer[#answer + 1] = left - amount
  elseif kind == 'window' then
    if redis.call('HEXISTS', KEYS[i], 'h:' .. host) == 0 then return {'unknown', i - 3} end
    orphan(KEYS[i])
    local spent, held = unpack(redis.call('HMGET', KEYS[i], 'spent', 'held'))
    local room = size - tonumber(spent or 0)
    local left = room - tonumber(held or 0) - amount
    if left < 0 and enforced then return {'denied', i - 3, -1, amount <= room and 1 or 0, left + amount} end
    answer[#answer + 1] = left
  else
    local balance, shares, ts = refilled(KEYS[i], size, full, tick)
    if balance < amount and enforced then
      if amount > size then return {'denied', i - 3, -1, 0} end
      local ticks = math.ceil(((amount - balance) * full - shares) / size)
      return {'denied', i - 3, math.max(ts + ticks * tick - now, 0), 0}
    end
    found[i] = {balance - amount, shares, ts}
    answer[#answer + 1] = balance - amount
  end
end
if known then return answer end
for i = 3, #KEYS do
  local at = first + (i - 3) * 5
  local kind, size, amount, full, tick = need(at)
  if kind == 'slots' then
    take_slot(KEYS[i], lease_us)
  elseif kind == 'window' then
    hold_money(KEYS[i], rid, host, ARGV[at + 2], lease_us)
  else
    keep(KEYS[i], size, full, tick, unpack(found[i]))
  end
end
if #KEYS > 2 then redis.call('SET', KEYS[2], '1', 'PX', milliseconds(2 * lease_us)) end
return answer
