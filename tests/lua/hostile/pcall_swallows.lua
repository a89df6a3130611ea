-- expect: time
-- The error of a count hook is just an error: pcall must not be able to keep it.
for i = 1, 1e9 do pcall(function() while true do end end) end
