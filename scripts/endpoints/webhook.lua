-- A webhook of your own: CloudEvents 1.0 in JSON. With a secret_file the host signs it as Standard Webhooks 1.0 says
-- (webhook-id, webhook-timestamp, webhook-signature; standardwebhooks.com has libraries that check them).
--
-- The id is the same over all attempts: who has seen it before may answer 200 and do nothing. An alert that is told again, since a new
-- cause has come or it is worse, is another event of the same key, and its time in the log tells them apart.

function request(alert, endpoint)
	local id = ("%s-%s-%s"):format(alert.key, alert.state, (alert.at or ""):gsub("%D", ""))
	local model = (alert.model or ""):gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end)

	return {
		headers = {
			["Content-Type"] = "application/cloudevents+json; charset=utf-8",
			["Idempotency-Key"] = id,
			["webhook-id"] = id,
		},
		body = {
			specversion = "1.0",
			id = id,
			source = "/oodd/models/" .. model,
			type = "dev.oodd.alert." .. alert.state,
			subject = alert.name,
			time = alert.at,
			datacontenttype = "application/json",
			data = {
				name = alert.name,
				state = alert.state,
				key = alert.key,
				severity = alert.severity,
				model = alert.model,
				version = alert.version,
				summary = alert.summary,
				description = alert.description,
				labels = alert.labels,
				annotations = alert.annotations,
				starts_at = alert.starts_at,
				ends_at = alert.ends_at,
			},
		},
	}
end
