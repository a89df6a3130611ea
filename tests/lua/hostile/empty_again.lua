-- expect: time
-- A table that was large and is empty: each walk looks at all its slots.
local t = {}
for i = 1, 60000 do t["k" .. i] = i end
for i = 1, 60000 do t["k" .. i] = nil end
while true do for k in pairs(t) do end end
