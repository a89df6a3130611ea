-- expect: time|memory
-- Whole numbers that fall into one chain of the hash.
local t = {}
for i = 1, 30000 do t[i * 65535] = i end
while true do for i = 1, 30000 do local x = t[i * 65535 + 65535 * 65535] end end
