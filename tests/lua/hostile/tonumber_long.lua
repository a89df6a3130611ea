-- expect: time
local s = (" "):rep(1 << 19) .. "1"
while true do tonumber(s) end
