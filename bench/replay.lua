-- Replays prepared requests in order, and prints what wrk has measured as one line of JSON.
--
-- Arguments: the file of requests, each ended by a NUL; and, for a fixed rate, the mean number of
-- milliseconds between two requests of one connection.

local requests, position = {}, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for text in file:read("*a"):gmatch("([^%z]+)%z") do
    requests[#requests + 1] = text
  end
  file:close()
  local pause = tonumber(arguments[2])
  if pause then
    math.randomseed(1)
    -- Spread evenly around the mean, so that connections do not march in step.
    function delay()
      return math.random(0, 2 * pause)
    end
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    'RESULT {"requests":%d,"seconds":%.6f,"refused":%d,"broken":%d,"p50":%d,"p95":%d,"p99":%d}',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
