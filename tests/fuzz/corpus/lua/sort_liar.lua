-- expect: fine
-- A comparison that contradicts itself: any order, but an end, and nothing lost.
local t = {}
for i = 1, 3000 do t[i] = i end
table.sort(t, function() return true end)
local sum = 0
for i = 1, 3000 do sum = sum + t[i] end
assert(sum == 3000 * 3001 / 2)
