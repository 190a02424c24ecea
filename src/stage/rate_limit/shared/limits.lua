-- Takes the cost of a call from all limits, or from none if one of them refuses it.
--
--   KEYS[i]                what is remembered of the caller by limit i
--   ARGV[5i-4 .. 5i]       kind (0 rate, 1 day, 2 month), amount, burst, cost, shadow (0, 1)
--   answer[4i-3 .. 4i]     allowed (0, 1), remaining, reset and retry_after in microseconds
--
-- A rate's amount is the interval in nanoseconds in which one comes back, a quota's how much there is
-- in a window. What is remembered of a rate is when the bucket will be full again ("MICROSECONDS
-- NANOSECONDS" since 1970, for a number here has 53 bits), of a quota "WINDOW USED".
--
-- The time is this server's: gateways' clocks differ, and a bucket that each of them sees at another
-- time gives more than it has.

local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds * 1000000 + tonumber(time[2])
local floor, ceil = math.floor, math.ceil

-- A month's number, counted from the year 0, its length, and which of its days it is, from 0. Years
-- begin in March here, so that the day that some of them have more is their last.
local function month(days)
  local day = days + 719468
  local cycle = floor(day / 146097)
  day = day % 146097
  local year = floor((day - floor(day / 1460) + floor(day / 36524) - floor(day / 146096)) / 365)
  day = day - (365 * year + floor(year / 4) - floor(year / 100))
  local place = floor((5 * day + 2) / 153)
  local first = floor((153 * place + 2) / 5)
  year = cycle * 400 + year
  local length
  if place < 11 then
    length = floor((153 * (place + 1) + 2) / 5) - first
  else
    local next = year + 1
    local leap = next % 4 == 0 and next % 100 ~= 0 or next % 400 == 0
    length = leap and 29 or 28
  end
  return year * 12 + place + 2, length, day - first
end

-- A window's number, and how many seconds it goes on.
local function window(kind)
  local days = floor(seconds / 86400)
  if kind == 1 then
    return days, (days + 1) * 86400 - seconds
  end
  local number, length, day = month(days)
  return number, (days - day + length) * 86400 - seconds
end

-- What a limit says, whatever the others say. `before` and `after` are what is used without the
-- call and with it: nanoseconds that the bucket takes to be full, or the number of a window's calls.
local function judge(state, kind, amount, burst, cost)
  local first, second
  if state then
    first, second = string.match(state, '^(%d+) (%d+)$')
    first, second = tonumber(first), tonumber(second)
  end
  if kind == 0 then
    local whole, before = amount * burst, 0
    if first then
      before = math.min(whole, math.max(0, (first - now) * 1000 + second))
    end
    local after = before + amount * cost
    return { rate = true, interval = amount, whole = whole, before = before, after = after,
             allowed = after <= whole }
  end
  local current, left = window(kind)
  local used = 0
  if first then
    if first == current + 1 then
      -- The clock went back over midnight: the new window has begun and stays so.
      current = first
    end
    if first >= current then
      -- A window further ahead was a clock that was wrong: nothing is given back for that.
      used = second
    end
  end
  local after = used + cost
  return { window = current, left = left, whole = amount, before = used, after = after,
           allowed = after <= amount }
end

local known = redis.call('MGET', unpack(KEYS))
local verdicts, refused = {}, false
for i = 1, #KEYS do
  local at = 5 * i - 4
  local verdict = judge(known[i], tonumber(ARGV[at]), tonumber(ARGV[at + 1]),
    tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
  refused = refused or not verdict.allowed and ARGV[at + 4] == '0'
  verdicts[i] = verdict
end

local answer = {}
for i, verdict in ipairs(verdicts) do
  local taken = verdict.allowed and not refused
  local used = taken and verdict.after or verdict.before
  local remaining, reset, retry_after, state, lives
  if verdict.rate then
    remaining = floor((verdict.whole - used) / verdict.interval)
    reset = ceil(used / 1000)
    retry_after = ceil((verdict.after - verdict.whole) / 1000)
    local full = floor(used / 1000)
    state = string.format('%.0f %.0f', now + full, used - full * 1000)
    lives = ceil(used / 1000000) + 1000
  else
    remaining = math.max(0, verdict.whole - used)
    reset = verdict.left * 1000000
    retry_after = reset
    state = string.format('%.0f %.0f', verdict.window, used)
    -- An hour more, for a clock that goes back.
    lives = (verdict.left + 3600) * 1000
  end
  if taken then
    redis.call('SET', KEYS[i], state, 'PX', string.format('%.0f', lives))
  end
  answer[4 * i - 3] = verdict.allowed and 1 or 0
  answer[4 * i - 2] = remaining
  answer[4 * i - 1] = reset
  answer[4 * i] = verdict.allowed and 0 or retry_after
end
return answer
