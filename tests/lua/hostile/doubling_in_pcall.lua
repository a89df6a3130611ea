-- expect: memory
-- Out of memory ends the call: a script that could go on would have each allocation cost a whole collection.
while true do pcall(function() local s = "x" while true do s = s .. s end end) end
