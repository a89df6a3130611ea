-- expect: time
-- Measured in Lua's own matcher: 149 s in one call.
local s = ("a"):rep(600)
return s:find(".-.-.-.-b")
