-- expect: error more than 1024
return (("x"):rep(100000)):byte(1, -1)
