-- expect: time|error
local s = ("a"):rep(1000)
local function f() return (s:gsub(".", f)) end
f()
