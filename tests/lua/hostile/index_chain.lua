-- expect: fine
-- A metatable is copied when it is set, so this chain cannot close into a ring.
local a, b = {}, {}
local ma, mb = {__index = b}, {__index = a}
setmetatable(a, ma)
setmetatable(b, mb)
assert(not pcall(function() return a.x end))
