-- expect: error invalid conversion
return ("%999999d"):format(1)
