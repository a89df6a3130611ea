-- expect: fine
-- Lua's own rep goes round 10^18 times here.
local s = (""):rep(1e18 // 1 | 0)
assert(s == "")
