-- The rule that applies when the configuration has no `rules` line: an alarm becomes an alert, to every endpoint.
-- And a limit of an output metric that is breached (`metrics` of the model) becomes one.
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

-- What has just happened to the records themselves: "workclass: values never seen before in 21 % of records: Gig-economy 21 %".
local function schema(s, carried, most)
	local lines = {}
	for _, r in ipairs(s.schema) do
		if r.moved == carried and not r.latched and #lines < most then lines[#lines + 1] = ("%s: %s"):format(r.field, r.detail) end
	end
	return lines
end

local function others(s)
	local names = {}
	for _, f in ipairs(s.findings) do
		if f.moved and f.name ~= s.top.name and #names < 4 then names[#names + 1] = f.name end
	end
	return #names > 0 and "; also moved: " .. table.concat(names, ", ") or ""
end

alert "OutOfDistribution" {
	severity = function(s) return s.severity >= 3 and "page" or "ticket" end,
	summary = function(s)
		local told = schema(s, true, 3)
		if #told > 0 then return ("%s: %s"):format(s.model, table.concat(told, "; ")) end
		if s.top then return ("%s: %s moved (%s)%s"):format(s.model, s.top.name, s.top.change, others(s)) end
		return ("%s: its traffic has moved"):format(s.model)
	end,
	annotations = {
		odd = function(s) return s.odd end,
		examples = function(s) -- ids, to look up
			local ids = {}
			for _, e in ipairs(s.examples) do ids[#ids + 1] = e.id end
			return table.concat(ids, " ")
		end,
	},
	description = function(s)
		local lines = moved(s)
		table.insert(lines, 1, ("%d records in the window, %.1f %% of them flagged. What moved:"):format(s.n, 100 * s.flag_rate))
		for _, line in ipairs(schema(s, false, 5)) do lines[#lines + 1] = "Seen beside it: " .. line end
		if s.odd ~= "" then lines[#lines + 1] = s.odd end
		for i, e in ipairs(s.examples) do
			if i <= 3 then lines[#lines + 1] = ("  %s (%s): %s"):format(e.id or "without id", e.kind, e.why or "") end
		end
		return table.concat(lines, "\n")
	end,
}

alert "LimitBreached" {
	when = function(s) return s.breached end,
	severity = "page",
	summary = function(s)
		for _, l in ipairs(s.limits) do
			if l.breached then return ("%s: %s: %s"):format(s.model, l.name, l.words) end
		end
	end,
	description = function(s)
		local lines = {}
		for _, l in ipairs(s.limits) do
			if l.breached then lines[#lines + 1] = ("%s: %s"):format(l.name, l.words) end
		end
		return table.concat(lines, "\n")
	end,
}
