-- expect: error non-closable
-- The metatable was copied when it was set: what is added later is not seen.
local mt = {}
local t = setmetatable({}, mt)
mt.__close = function() while true do end end
local x <close> = t
