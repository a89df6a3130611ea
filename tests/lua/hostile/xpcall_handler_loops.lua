-- expect: time
-- A handler inside the error would run with hooks switched off, for ever.
xpcall(function() while true do end end, function() while true do end end)
