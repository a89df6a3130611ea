-- expect: time
local t = setmetatable({}, {__len = function() return math.maxinteger end, __index = function() return "" end})
return table.concat(t)
