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

-- What has just happened to the records themselves: "workclass: values never seen before in 21 % of records: Gig-economy 21 %". That what the
-- model puts out never varies now is a consequence, mostly: it stands behind the rest.
local outputs = { class = true, confidence = true }
local function schema(s, carried, most, of_outputs)
	local lines = {}
	for _, r in ipairs(s.schema) do
		local output = r.kind == "constant" and outputs[r.field] or false
		if r.moved == carried and not r.latched and #lines < most and (of_outputs == nil or output == of_outputs) then
			lines[#lines + 1] = ("%s: %s"):format(r.field, r.detail)
		end
	end
	return lines
end

-- Scores say that something is odd, fields say what: of what is new the heaviest field leads, else the heaviest of all.
local scores = { ["p-value"] = true, confidence = true, statistic = true }
local function lead(s)
	for _, f in ipairs(s.findings) do
		if f.moved and not f.latched and not scores[f.kind] and not f.name:find("[", 1, true) then return f end
	end
	return s.top
end

local function others(s, first)
	local names = {}
	for _, f in ipairs(s.findings) do
		if f.moved and f.name ~= first.name and #names < 4 then names[#names + 1] = f.name end
	end
	return #names > 0 and "; also moved: " .. table.concat(names, ", ") or ""
end

-- "p-value" is a word of ours.
local function subject(f)
	local slice = f.name:match("^p%-value%[(.+)%]$")
	return f.name == "p-value" and "more odd records" or slice and "more odd records in " .. slice or f.name .. " moved"
end

local function headline(s)
	local told, f = schema(s, true, 3, false), lead(s)
	if #told == 0 and f then
		told[1] = ("%s (%s)%s"):format(subject(f), f.change, others(s, f))
	end
	for _, line in ipairs(schema(s, true, 2, true)) do
		if not (f and line:find(f.name .. ":", 1, true) == 1) then told[#told + 1] = line end
	end
	return #told > 0 and table.concat(told, "; ") or "its traffic has moved"
end

alert "OutOfDistribution" {
	severity = function(s) return s.severity >= 3 and "page" or "ticket" end,
	summary = function(s) return ("%s: %s"):format(s.model, headline(s)) end,
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
		if s.slices and s.slices.where_words ~= "" then lines[#lines + 1] = "Where: " .. s.slices.where_words end
		if s.odd ~= "" then lines[#lines + 1] = s.odd end
		for i, e in ipairs(s.examples) do
			if i <= 3 then lines[#lines + 1] = ("  %s (%s): %s"):format(e.id or "without id", e.kind, e.why or "") end
		end
		lines[#lines + 1] = ("Next: look at these records (oodd score --explain LOG); it resolves when the traffic is as before. If this is to stay: "
			.. "oodd relearn %s LOG..., with logs since then, and reload."):format(s.model)
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
