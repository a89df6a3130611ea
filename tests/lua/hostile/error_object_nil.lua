-- expect: error the error raised is a nil
error(nil)
