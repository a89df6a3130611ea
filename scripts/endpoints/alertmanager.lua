-- Prometheus Alertmanager, API v2 (POST /api/v2/alerts).
--
-- Alertmanager knows an alert by its labels, so nothing that changes from one telling to the next may be among them; and it
-- believes an alert until endsAt, so each telling moves that on. Annotations are replaced as a whole by each telling:
-- the last one, of the end, carries them all too.

-- Label and annotation names are [a-zA-Z_][a-zA-Z0-9_]*; an empty value is the same as none.
local function named(to, pairs_)
	for name, value in pairs(pairs_) do
		name = name:gsub("[^%w_]", "_"):gsub("^%d", "_%0")
		if value ~= "" then to[name] = value end
	end
	return to
end

function request(alert, endpoint)
	local labels = named({}, alert.labels)
	labels.alertname = alert.name
	labels.severity = alert.severity
	labels.model = alert.model
	labels.model_version = alert.version

	local annotations = named({}, alert.annotations)
	annotations.summary = alert.summary
	annotations.description = alert.description
	annotations.oodd_key = alert.key

	return {
		path = "/api/v2/alerts",
		body = { {
			labels = named({}, labels),
			annotations = annotations,
			startsAt = alert.starts_at,
			endsAt = alert.ends_at or endpoint.valid_until,
		} },
	}
end
