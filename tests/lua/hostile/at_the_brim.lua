-- expect: memory|time
-- Lives just under the limit, where each allocation collects.
local keep, n = {}, 0
while true do
	n = n + 1
	keep[n % 60000] = {n}
	local waste = {n, n}
end
