-- Rates and slots that many workers share, and what the newest of them knows to be stopped.
--
--   hold    KEYS flags, request, one per need
--           ARGV 'hold' now rid lease_us seq n scope*n, then per need: kind size amount full tick
--           -> {'held', left...} | {'denied', index, wait_us or -1} | {'stopped', index}
--   settle  KEYS request, one per need
--           ARGV 'settle' now rid keep_us, then per need: kind size back full tick
--   renew   KEYS request, one per slot      ARGV 'renew' now rid lease_us
--   stop    KEYS flags                      ARGV 'stop' seq, then scope, until_us or ''
--
-- Time is Redis's own, in microseconds, unless the caller of a test says it. A bucket of `size`
-- units refills in `full` ticks of `tick` microseconds; `rem` counts shares of a unit, `full` of
-- them. The caller sees to it that size x full stays below 2^52, so every number here is exact.

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

local function need(at)
  return ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
end

if verb == 'renew' then
  local lease_us = tonumber(ARGV[4])
  redis.call('SET', KEYS[1], '1', 'PX', milliseconds(2 * lease_us))
  for i = 2, #KEYS do take_slot(KEYS[i], lease_us) end
  return 1
end

if verb == 'settle' then
  if redis.call('GET', KEYS[1]) ~= '1' then
    -- Its hold may still be on its way, on a connection that was given up: it must take nothing.
    redis.call('SET', KEYS[1], '0', 'PX', milliseconds(tonumber(ARGV[4])))
    return 0
  end
  redis.call('DEL', KEYS[1])
  for i = 2, #KEYS do
    local kind, size, back, full, tick = need(5 + (i - 2) * 5)
    if kind == 'slots' then
      redis.call('ZREM', KEYS[i], rid)
    elseif back ~= 0 then
      local balance, shares, ts = refilled(KEYS[i], size, full, tick)
      keep(KEYS[i], size, full, tick, balance + back, shares, ts)
    end
  end
  return 1
end

local lease_us, seq, scopes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local first = 7 + scopes

if scopes > 0 then
  local newest = redis.call('HGET', KEYS[1], 'seq')
  if newest and tonumber(newest) > seq then
    for i = 1, scopes do
      local ends = redis.call('HGET', KEYS[1], 's:' .. ARGV[6 + i])
      if ends and (ends == '' or tonumber(ends) > now) then return {'stopped', i - 1} end
    end
  end
end

local known = redis.call('EXISTS', KEYS[2]) == 1
local answer, found = {'held'}, {}
for i = 3, #KEYS do
  local kind, size, amount, full, tick = need(first + (i - 3) * 5)
  if known then amount = 0 end
  if kind == 'slots' then
    local left = slots_left(KEYS[i], size)
    if left < amount and not known then return {'denied', i - 3, -1} end
    answer[#answer + 1] = left - amount
  else
    local balance, shares, ts = refilled(KEYS[i], size, full, tick)
    if balance < amount and not known then
      if amount > size then return {'denied', i - 3, -1} end
      local ticks = math.ceil(((amount - balance) * full - shares) / size)
      return {'denied', i - 3, math.max(ts + ticks * tick - now, 0)}
    end
    found[i] = {balance - amount, shares, ts}
    answer[#answer + 1] = balance - amount
  end
end
if known then return answer end
for i = 3, #KEYS do
  local kind, size, amount, full, tick = need(first + (i - 3) * 5)
  if kind == 'slots' then
    take_slot(KEYS[i], lease_us)
  else
    keep(KEYS[i], size, full, tick, unpack(found[i]))
  end
end
if #KEYS > 2 then redis.call('SET', KEYS[2], '1', 'PX', milliseconds(2 * lease_us)) end
return answer
