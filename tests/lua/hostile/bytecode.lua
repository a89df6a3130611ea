-- expect: error unexpected symbol
Lua