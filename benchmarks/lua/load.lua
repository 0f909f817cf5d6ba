-- What wrk sends. Arguments after --: mode, records, cases of a firm, requests after which a thread stops (0: none),
-- first block (of UpdateCaseStatus, counted in calls), and the keys of the two firms.
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

local function campaign_of(step)
  return step % 2 + 1, string.format("Campaign%02d", math.floor(step / 2) % 10 + 1), math.floor(step / 20) % 5
end

local function get(path, firm)
  return wrk.format("GET", base .. path, {["X-ApiKey"] = keys[firm]})
end

local function post(path, firm, body)
  return wrk.format("POST", base .. path, {["X-ApiKey"] = keys[firm], ["Content-Type"] = "application/json"}, body)
end

local function claim(filter)
  local made, head = {}, "/GetCasesToDial?Auto-change=true&Records=" .. records
  for step = 0, 99 do
    local firm, campaign, group = campaign_of(step)
    if string.find(filter, "fixed") then firm, campaign = 1, "Campaign02" end
    if string.find(filter, "first") then firm, campaign = 1, "Campaign01" end
    local path = head
    if string.find(filter, "campaign") then path = path .. "&Campaign=" .. campaign end
    if string.find(filter, "group") then path = path .. "&CaseGroup=Group%20" .. group end
    made[step + 1] = get(path, firm)
  end
  return function(step) return made[step % 100 + 1] end
end

local modes = {}

function modes.info()
  return get("/GetCaseInfo?CaseID=" .. math.random(1, cases), math.random(1, 2))
end

function modes.note()
  local i = math.random(1, 2 * cases)  -- the number of a case, of which its phone is made: see data.py
  local areas = {"212", "402", "214", "213", "303", "404", "305", "206", "617", "312"}
  local body = string.format('{"Phone":"%s%d","Note":"Left a message."}', areas[i % 10 + 1], 2000000 + i)
  return post("/AddCaseNoteByPhone", i % 2 + 1, body)
end

function modes.update(step)
  local block, items = first + step * threads_in_all + number, {}
  local from = math.floor(block / 2) * records % cases
  for i = 1, records do
    items[i] = string.format('{"CaseID":%d,"Status":"To Dial","NextCall":"2030-05-06T09:00:00","Attempts":1,'
      .. '"Disposition":"No Answer"}', from + i)
  end
  return post("/UpdateCaseStatus", block % 2 + 1, '{"Cases":[' .. table.concat(items, ",") .. "]}")
end

function init(args)
  local mode
  mode, records, cases, limit, first = args[1], args[2] + 0, args[3] + 0, args[4] + 0, args[5] + 0
  keys, threads_in_all = {args[6], args[7]}, args[8] + 0
  base = string.gsub(wrk.path, "/$", "")
  math.randomseed(os.time() + 7919 * number)
  make = modes[mode] or claim(mode)
  -- Where requests are not counted, a thread begins anywhere, and all campaigns get the same share.
  sent, answered = limit == 0 and mode ~= "update" and math.random(0, 99) or 0, 0
  if limit > 0 then
    response = function()
      answered = answered + 1
      if answered == limit then  -- the main thread sleeps on: whoever started wrk ends it
        wrk.thread:stop()
        io.stderr:write("LIMIT\n")
        io.stderr:flush()
      end
    end
  end
end

function request()
  sent = sent + 1
  return make(sent - 1)
end

function done(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %.3f, "p99": %.3f, "bytes": %d}\n',
    summary.requests, summary.duration / 1e6, failed.status, failed.connect + failed.read + failed.write
    + failed.timeout, latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.bytes))
end
