-- expect: error attempt to
local _ENV = {}
x = 1
y()
