-- expect: error unknown name 'os'
os.exit(1)
