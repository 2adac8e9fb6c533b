#!lua name=peer_credit
-- What a Redis user would write to get the job of CREDIT.DEBIT: idempotent by transaction id, never below zero, audited.
--
--   debit_list  3 keys: account (hash), receipt (string), trail (list)   arguments: amount tx keep_s
--
-- One call, so atomic. A repeated tx gets its first answer, declines included, for keep_s seconds. The trail keeps the
-- newest thousand entries. peer-debit funds the accounts before it measures.

local TRAIL_LEN_MAX = 1000

local function remember(receipt, answer, keep_s)
  redis.call('SET', receipt, answer, 'EX', keep_s)
end

redis.register_function('debit_list', function(keys, args)
  local account, receipt, trail = keys[1], keys[2], keys[3]
  local amount, tx, keep_s = tonumber(args[1]), args[2], args[3]
  local first = redis.call('GET', receipt)
  if first then
    return first
  end
  local figures = redis.call('HMGET', account, 'balance', 'reserved')
  if not figures[1] then
    return redis.error_reply('NOACCOUNT')
  end
  local available = tonumber(figures[1]) - tonumber(figures[2] or 0)
  if available < amount then
    remember(receipt, 'declined ' .. available, keep_s)
    return redis.error_reply('INSUFFICIENT available=' .. available .. ' required=' .. args[1])
  end
  local balance = redis.call('HINCRBY', account, 'balance', -amount)
  local answer = 'debited ' .. args[1] .. ' ' .. balance
  remember(receipt, answer, keep_s)
  redis.call('LPUSH', trail, tx .. ' ' .. answer)
  redis.call('LTRIM', trail, 0, TRAIL_LEN_MAX - 1)
  return answer
end)
