-- expect: fine
assert(tostring({}) == "table" and tostring(pcall) == "function")
