-- oodd.lua: what oodd watches. `oodd check -c THIS` finds all mistakes at once; `oodd check --effective` prints every setting with its
-- default and where it came from.
--
-- This file is Lua, but plain data: it is evaluated once, in a sandbox, and then checked. Paths may be relative to this file. Durations
-- are "90s", "5m", "1h30m", "30d", or seconds; sizes "64MiB", or bytes. Helpers of your own are `local`.

-- The directory of the database: positions, open windows, alerts on their way. One agent at a time.
-- state = "/var/lib/oodd"

-- Where records come from. One JSON object per line is expected, such as
--   {"ts": "2026-11-21T17:32:01Z", "model": "intent-router", "version": "7", "id": "a1", "prediction": "refund",
--    "confidence": 0.93, "logits": [..], "embedding": [..], "features": {"age": 39, "region": "eu"}}
source "predictions" {
	path = "/var/log/inference/*.jsonl",     -- a glob, or a list of them
	-- exclude = { "*.gz", "*.xz", "*.zst", "*.bz2" },
	-- format = "jsonl",                     -- or "msgpack"
	-- fields = { time = "/when", features = "/input/features", tags = false }, -- JSON Pointers, where records look different
	-- model = "intent-router",              -- for records that do not name their model
	-- version = "7",                        -- or its version
	-- read_from = "start",                  -- or "end": only what is new after the very first start
	-- longest = "1MiB", deepest = 32,        -- of a record: bytes, nesting; what is beyond is rejected and counted
	-- most_columns = 4096,                  -- features or metrics of a stream
	-- future = "0s",                        -- reject a record whose time is further ahead of its neighbours; 0: never
	-- follow_symlinks = false,
	-- poll = "2s",                          -- look again after so long, whatever the kernel told
	-- partial = "1m",                       -- give up an unfinished last record of a file that went away
}

-- What was true of the predictions, once it is known: {"id": "a1", "label": "refund", "ts": "2026-11-22T09:00:00Z"}, ts being when that
-- was. Labels are followed like any log, meet their prediction by id, and are watched: more errors than the reference's, other classes
-- than there were (oodd fit --labels teaches it). Where labels name no model and there are several: model = "intent-router".
-- source "truth" { kind = "labels", path = "/var/log/labels/*.jsonl" } -- fields = { label = "/truth" }

-- What is watched. The name is that of the model in the records; * and ? are allowed, an exact name wins.
model "*" {
	-- reference = "intent-router.ref",      -- what normal was: written by `oodd fit`, or learned when it is not there. A further version
	--                                       -- stands beside it as intent-router@2.0.ref; "refs/%m-%v.ref": one for each model (%m) and
	--                                       -- version (%v); left out: in the state directory
	-- learn = {                             -- how a stream without a reference gets one from its traffic; false: not at all
	-- 	records = 5000, span = "7d",     -- at least so many AND over so long, in the time of the records
	-- 	spool = "512MiB",                -- what a stream may keep on disk meanwhile; heavier traffic is thinned evenly
	-- 	keep = 5,                        -- replaced references kept beside the new one, as PATH.TIME
	-- },
	-- relearn = "30d",                      -- the next reference, when the newest record is so much later than the last one it knows; 0: never
	-- detectors = { "energy", "mahalanobis", knn = { k = 50 } }, -- left out: what the log allows. Some look at windows instead of
	--                                       -- records ("mean_shift", "rff_mmd", "bbse", ...: oodd plugin list); where only such are
	--                                       -- named, the others are still what the log allows
	window = "5m",                           -- in event time
	lateness = "30s",                        -- how long a window waits for late records
	-- idle = "2m",                          -- close open windows after so long without a record, by the wall clock
	false_alarms = "1 per 30d",              -- the budget; thresholds follow from it
	flag = 0.01,                             -- flag the oddest 1 % of normal traffic, record by record
	-- strict = true,                        -- at most that, whichever records calibrated: fewer flags
	-- slices = { "region", "tenant" },     -- tags by whose values records are told apart (the commonest 16 of each): where a shift sits,
	--                                      -- which slices differ from the rest. Learned by oodd fit: it wants fitting again
	-- slice_period = "1d",                 -- slices are compared over so long
	-- metrics = {                           -- limits of output metrics, whatever the reference held; a new threshold wants oodd fit again
	--   toxicity = { above = 0.5, at_most = 0.02 },   -- share of the records
	--   groundedness = { mean_at_least = 0.7 },
	--   refusal = { at_most = 0.1 },        -- of true and false: share of true
	-- },
	-- compare = { stable = "1.0", canary = "2.0", tolerance = 0.02 }, -- versions side by side: promote, hold or roll back; left out: each version
	--                                       -- with the one before it; false: not at all. tolerance: how much larger its share of odd records may be
	-- season = "auto",                      -- none, hour-of-day, day-of-week, hour-of-week (UTC); auto: only where two periods show one
	-- accuracy = 0.93,                      -- of the model on reference data, where oodd fit has no --labels: accuracy is estimated from there
	-- label_wait = "30d", label_most = 200000, -- where labels come: how long, and how many predictions are kept for them
	-- fit_share = { 0.4, 0.15, 0.15, 0.3 }, -- how oodd fit splits a log: fit, cal-A, cal-B, null
	-- smallest_effect = 0.01,               -- a smaller shift (PSI) is not worth an alarm
	-- samples = 20,                         -- odd records kept per window, for review
	-- texts = false,                        -- show the input texts of new groups' typical records, shortened; false: ids only
}

-- Where alerts go. A rule names endpoints in `to`, or its alerts go to all of them.
endpoint "console" { kind = "stdout" }
-- endpoint "oncall" { kind = "alertmanager", url = "http://127.0.0.1:9093", resend = "1m" } -- says again what is firing
-- endpoint "hook" {
-- 	kind = "webhook", url = "https://hooks.example/oodd",
-- 	secret_file = "secrets/hook",            -- signs each request; chmod 0600
-- 	headers = { ["X-Team"] = "nlp" },
-- 	ca_file = "hooks-ca.pem",                -- certificates to trust, instead of the system's
-- 	timeout = "10s", expire = "1d",          -- an alert not delivered for so long goes to the dead-letter file
-- 	at_once = 1,                             -- requests under way at the same time
-- }
-- endpoint "archive" { kind = "file", path = "/var/log/oodd/alerts.jsonl" }

-- Which signals are worth an alert. Without this line the shipped rule applies: an alarm becomes an alert.
-- rules "rules.d/*.lua"

-- Directories of detectors, searched in order.
-- plugins { "/usr/lib/oodd/plugins" }

-- The budget of all models together: each gets an even share, or its own where that is less.
-- false_alarms = "1 per 7d"

-- commit = "1s"                             -- how often progress is committed
log = { level = "info", format = "text" }        -- level: debug, info, warning, error; format: text, json
limits = { rule_memory = "8MiB", rule_cpu = "100ms", dead_letter = "64MiB" }
