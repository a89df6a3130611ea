-- expect: error handler_fails.lua:3: second
-- An error in the handler is an error like any other.
xpcall(function() error("first") end, function(m) error("second") end)
