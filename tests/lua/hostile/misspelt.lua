-- expect: error misspelt.lua:2: unknown name 'strng'; did you mean 'string'?
return strng.format("%d", 1)
