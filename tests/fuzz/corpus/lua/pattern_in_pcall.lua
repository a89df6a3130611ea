-- expect: time
local s = ("a"):rep(5000)
while true do pcall(string.match, s, ("a*"):rep(20) .. "b") end
