#!lua name=peer_credit
-- What a Redis user would write to get the job of CREDIT.DEBIT, CREDIT.RESERVE and CREDIT.CAPTURE: idempotent by
-- transaction id, never below zero, audited, holds that expire.
--
--   debit_list  3 keys: account (hash), receipt (string), trail (list)      arguments: amount tx keep_s
--   reserve     5 keys: these, hold (hash), deadlines (sorted set)          arguments: amount tx keep_s ttl_ms
--   capture     5 keys: the same                                            arguments: tx keep_s
--   reserve_capture  5 keys: the same                                       arguments: those of reserve
--
-- One call, so atomic. A repeated tx gets its first answer, declines included, for keep_s seconds. The trail keeps the
-- newest thousand entries. Who measures funds the accounts before (bench-scripts/peer-debit, creditd bench).

local TRAIL_LEN_MAX = 1000
local EXPIRED_AT_ONCE_MAX = 16

local function remember(receipt, answer, keep_s)
  redis.call('SET', receipt, answer, 'EX', keep_s)
end

local function enter(trail, text)
  redis.call('LPUSH', trail, text)
  redis.call('LTRIM', trail, 0, TRAIL_LEN_MAX - 1)
end

-- What is available; nil without the account.
local function available_of(account)
  local figures = redis.call('HMGET', account, 'balance', 'reserved')
  return figures[1] and tonumber(figures[1]) - tonumber(figures[2] or 0)
end

local function decline(receipt, available, amount, keep_s)
  remember(receipt, 'declined ' .. available, keep_s)
  return redis.error_reply('INSUFFICIENT available=' .. available .. ' required=' .. amount)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function expire_due(account, trail, deadlines, now)
  for _, hold in ipairs(redis.call('ZRANGEBYSCORE', deadlines, '-inf', now, 'LIMIT', 0, EXPIRED_AT_ONCE_MAX)) do
    local amount = redis.call('HGET', hold, 'amount')
    if amount then
      redis.call('HINCRBY', account, 'reserved', -tonumber(amount))
      redis.call('DEL', hold)
      enter(trail, hold .. ' expired ' .. amount)
    end
    redis.call('ZREM', deadlines, hold)
  end
end

redis.register_function('debit_list', function(keys, args)
  local account, receipt, trail = keys[1], keys[2], keys[3]
  local amount, tx, keep_s = tonumber(args[1]), args[2], args[3]
  local first = redis.call('GET', receipt)
  if first then
    return first
  end
  local available = available_of(account)
  if not available then
    return redis.error_reply('NOACCOUNT')
  end
  if available < amount then
    return decline(receipt, available, args[1], keep_s)
  end
  local balance = redis.call('HINCRBY', account, 'balance', -amount)
  local answer = 'debited ' .. args[1] .. ' ' .. balance
  remember(receipt, answer, keep_s)
  enter(trail, tx .. ' ' .. answer)
  return answer
end)

local function reserve(keys, args)
  local account, receipt, trail, hold, deadlines = keys[1], keys[2], keys[3], keys[4], keys[5]
  local amount, tx, keep_s, ttl_ms = tonumber(args[1]), args[2], args[3], tonumber(args[4])
  local first = redis.call('GET', receipt)
  if first then
    return first
  end
  local now = now_ms()
  expire_due(account, trail, deadlines, now)
  local available = available_of(account)
  if not available then
    return redis.error_reply('NOACCOUNT')
  end
  if available < amount then
    return decline(receipt, available, args[1], keep_s)
  end
  redis.call('HINCRBY', account, 'reserved', amount)
  redis.call('HSET', hold, 'amount', amount)
  redis.call('ZADD', deadlines, now + ttl_ms, hold)
  local answer = 'active ' .. args[1] .. ' ' .. (available - amount)
  remember(receipt, answer, keep_s)
  enter(trail, tx .. ' ' .. answer)
  return answer
end

local function capture(keys, args)
  local account, receipt, trail, hold, deadlines = keys[1], keys[2], keys[3], keys[4], keys[5]
  local tx, keep_s = args[1], args[2]
  local first = redis.call('GET', receipt)
  if first and string.find(first, '^captured') then
    return first
  end
  expire_due(account, trail, deadlines, now_ms())
  local amount = redis.call('HGET', hold, 'amount')
  if not amount then
    return redis.error_reply('NORESERVATION')
  end
  redis.call('HINCRBY', account, 'reserved', -tonumber(amount))
  local balance = redis.call('HINCRBY', account, 'balance', -tonumber(amount))
  redis.call('DEL', hold)
  redis.call('ZREM', deadlines, hold)
  local answer = 'captured ' .. amount .. ' ' .. balance
  remember(receipt, answer, keep_s)
  enter(trail, tx .. ' ' .. answer)
  return answer
end

-- The pair in one call: what it costs a server that need not answer in between.
local function reserve_capture(keys, args)
  local reserved = reserve(keys, args)
  return type(reserved) == 'table' and reserved or capture(keys, { args[2], args[3] })
end

redis.register_function('reserve', reserve)
redis.register_function('capture', capture)
redis.register_function('reserve_capture', reserve_capture)
