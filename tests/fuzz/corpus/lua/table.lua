t = { 1, 2, a = { b = "c", [ [==[x]==] ] = true }, ["k"] = 1.5; function(a, b) return { a, b } end, -- x
  f = (function() return 1 end)() }
