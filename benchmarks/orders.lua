-- For wrk: place orders over and over, in turns for each user and each body.
-- Arguments: the file with one token per line, then the bodies.
local requests, number = {}, 0

function init(arguments)
  local bodies = { unpack(arguments, 2) }
  local tokens = {}
  for token in io.lines(arguments[1]) do
    tokens[#tokens + 1] = token
  end
  for _, body in ipairs(bodies) do
    for _, token in ipairs(tokens) do
      local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. token }
      requests[#requests + 1] = wrk.format("POST", wrk.path, headers, body)
    end
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end
