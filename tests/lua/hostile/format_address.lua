-- expect: error '%p' is not available
return ("%p"):format({})
