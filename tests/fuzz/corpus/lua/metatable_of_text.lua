-- expect: fine
assert(getmetatable("") == false)
local mt = getmetatable(setmetatable({}, {}))
assert(mt == false)
assert(not pcall(setmetatable, setmetatable({}, {}), {}))
assert(not pcall(setmetatable, "", {}))
