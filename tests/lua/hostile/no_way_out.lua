-- expect: fine
for _, name in ipairs {"load", "loadstring", "dofile", "loadfile", "require", "package", "coroutine", "debug", "io", "os",
	"collectgarbage", "newproxy", "rawset", "rawget", "next", "_G", "print", "utf8", "warn"} do
	assert(not pcall(function() return _ENV[name] end), name)
end
assert(not pcall(function() return string.dump end) or string.dump == nil)
assert(math.random == nil and math.randomseed == nil)
