-- expect: time
for a in (("x"):rep(20000)):gmatch("(.-)(.-)(.-)y") do end
