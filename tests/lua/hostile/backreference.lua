-- expect: time
local s = ("a"):rep(30000)
s:find("(.*)(.*)%1%2b")
