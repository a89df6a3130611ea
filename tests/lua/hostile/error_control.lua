-- expect: error one two
error("one\ntwo\27[31m\0three")
