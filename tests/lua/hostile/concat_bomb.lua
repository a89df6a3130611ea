-- expect: memory
local t = {}
for i = 1, 60000 do t[i] = "0123456789012345678901234567890123456789" end
while true do t[#t + 1] = table.concat(t) end
