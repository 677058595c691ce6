-- Replays prepared requests in order, and prints what wrk has measured as one line of JSON.
--
-- Arguments: the file of requests, each ended by a NUL; the mean number of milliseconds between two
-- requests of one connection, 0 for none; and, where each response is to be checked, its status and
-- the number of tasks in it.

local requests, position = {}, 0
local thread
wrong = 0 -- global: read from the main state at the end

function setup(only_thread)
  thread = only_thread
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for text in file:read("*a"):gmatch("([^%z]+)%z") do
    requests[#requests + 1] = text
  end
  file:close()
  local pause = tonumber(arguments[2])
  if pause > 0 then
    math.randomseed(1)
    -- Spread evenly around the mean, so that connections do not march in step.
    function delay()
      return math.random(0, 2 * pause)
    end
  end
  if arguments[3] then
    local status, tasks = tonumber(arguments[3]), tonumber(arguments[4])
    function response(got, _, body)
      local _, found = body:gsub('"is_completed"', "")
      if got ~= status or found ~= tasks then
        wrong = wrong + 1
      end
    end
  end
end

function request()
  position = position + 1
  local text = requests[(position - 1) % #requests + 1]
  if text:find("{a unique number}", 1, true) then
    -- As long as the words, because the length of the body has been told already.
    text = text:gsub("{a unique number}", string.format("%010d%07d", os.time(), position))
  end
  return text
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    'RESULT {"requests":%d,"seconds":%.6f,"errors":%d,"p50":%.3f,"p95":%.3f,"p99":%.3f}',
    summary.requests, summary.duration / 1e6,
    math.max(errors.status, thread:get("wrong")) +
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
