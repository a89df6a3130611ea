-- The rule that applies when the configuration has no `rules` line: an alarm becomes an alert, to every endpoint.
-- Copy it to begin your own; ../README.md explains each key.

local function moved(s)
	local lines = {}
	for _, f in ipairs(s.findings) do
		if f.moved and #lines < 10 then
			lines[#lines + 1] = ("%s: %s (severity %d, PSI %.3f)"):format(f.name, f.change, f.severity, f.psi)
		end
	end
	return lines
end

alert "OutOfDistribution" {
	severity = function(s) return s.severity >= 3 and "page" or "ticket" end,
	summary = function(s)
		if s.top then return ("%s: %s moved (%s)"):format(s.model, s.top.name, s.top.change) end
		return ("%s: its traffic has moved"):format(s.model)
	end,
	description = function(s)
		local lines = moved(s)
		table.insert(lines, 1, ("%d records in the window, %.1f %% of them flagged. What moved:"):format(s.n, 100 * s.flag_rate))
		return table.concat(lines, "\n")
	end,
}
