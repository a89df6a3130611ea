-- expect: fine
local t, seen = {b = 2, a = 1, [3] = 3, [1] = 1, c = 3}, {}
for k in pairs(t) do seen[#seen + 1] = tostring(k) end
assert(table.concat(seen, " ") == "1 3 a b c")
