-- expect: memory
local s = ("x"):rep(1 << 19)
local t = {}
while true do t[#t + 1] = ("%s%s%s"):format(s, s, #t) end
