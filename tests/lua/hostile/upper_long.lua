-- expect: time
local s = ("x"):rep(1 << 19)
while true do s:upper() end
