-- expect: error the error raised is a table
-- Its __tostring must not run when the host makes the message.
error(setmetatable({}, {__tostring = function() while true do end end}))
